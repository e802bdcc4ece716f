//! What an image requires of the driver (`NVIDIA_REQUIRE_CUDA`).
//!
//! The value is a list of alternatives with blanks between them; each is a list of conditions with commas between them,
//! such as `cuda>=12.8 brand=tesla,driver>=535,driver<536`. The toolkit starts the container if all conditions of one
//! alternative hold.

use crate::cuda::Version;
use crate::cuda::compat::{DriverVersion, Product};

/// What is known of the machine that the requirement is held against.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known {
    /// The newest CUDA version that the driver serves.
    pub cuda: Option<Version>,
    /// The driver's version.
    pub driver: Option<DriverVersion>,
    /// What kind of product the GPU is.
    pub product: Option<Product>,
}

/// Whether the machine meets a requirement; none where that cannot be told.
pub(super) fn met(requirement: &str, known: Known) -> Option<bool> {
    let alternatives: Vec<_> = requirement.split_whitespace().map(|list| all(list, known)).collect();
    if alternatives.is_empty() || alternatives.contains(&Some(true)) {
        return Some(true);
    }
    if alternatives.contains(&None) { None } else { Some(false) }
}

/// The condition on CUDA's version that stands in a requirement, such as `cuda>=12.8`.
pub(super) fn cuda_condition(requirement: &str) -> Option<&str> {
    requirement.split([' ', ',']).find(|condition| condition.starts_with("cuda"))
}

fn all(conditions: &str, known: Known) -> Option<bool> {
    let answers: Vec<_> = conditions.split(',').map(|condition| holds(condition, known)).collect();
    if answers.contains(&Some(false)) {
        return Some(false);
    }
    if answers.contains(&None) { None } else { Some(true) }
}

fn holds(condition: &str, known: Known) -> Option<bool> {
    let at = condition.find(['<', '>', '=', '!'])?;
    let (name, rest) = condition.split_at(at);
    let value = rest.trim_start_matches(['<', '>', '=', '!']);
    let operator = rest.strip_suffix(value)?;
    match name {
        "cuda" => compare(known.cuda?, operator, two_numbers(value)?),
        "driver" => compare(known.driver?, operator, value.parse().ok()?),
        "brand" => {
            let same = is_brand(known.product?, value)?;
            match operator {
                "=" | "==" => Some(same),
                "!=" => Some(!same),
                _ => None,
            }
        }
        _ => None,
    }
}

fn compare<T: PartialOrd + Copy>(have: T, operator: &str, want: T) -> Option<bool> {
    Some(match operator {
        ">=" => have >= want,
        ">" => have > want,
        "<=" => have <= want,
        "<" => have < want,
        "=" | "==" => have == want,
        "!=" => have != want,
        _ => return None,
    })
}

/// Whether a kind of product may be of a brand as NVML names them; none where the kind leaves it open.
fn is_brand(product: Product, brand: &str) -> Option<bool> {
    match (product, brand) {
        (Product::DataCentre, "tesla") | (Product::GeForce, "geforce" | "titan" | "geforcertx" | "titanrtx") => {
            Some(true)
        }
        (Product::GeForce, _) => Some(false),
        (
            Product::DataCentre,
            "geforce" | "titan" | "geforcertx" | "titanrtx" | "quadro" | "quadrortx" | "nvidiartx",
        ) => Some(false),
        _ => None,
    }
}

/// A version of CUDA of two or more numbers; what follows the second does not count.
pub(super) fn two_numbers(text: &str) -> Option<Version> {
    let mut numbers = text.trim().split('.').map(|part| part.parse().ok());
    Some(Version { major: numbers.next()??, minor: numbers.next()?? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(cuda: &str, driver: &str, name: &str) -> Known {
        Known { cuda: two_numbers(cuda), driver: driver.parse().ok(), product: Some(Product::of(name)) }
    }

    const IMAGE: &str = "cuda>=12.8 brand=unknown,driver>=470,driver<471 brand=grid,driver>=470,driver<471 \
                         brand=tesla,driver>=535,driver<536";

    #[test]
    fn one_alternative_is_enough() {
        let laptop = "NVIDIA GeForce RTX 3050 Ti Laptop GPU";
        for (cuda, driver, name, expected) in [
            ("12.8", "570.26", laptop, Some(true)),
            ("13.0", "580.95.05", laptop, Some(true)),
            ("12.10", "580.95.05", laptop, Some(true)),
            ("12.2", "535.183.01", laptop, Some(false)),
            ("12.2", "535.183.01", "NVIDIA H100 80GB HBM3", Some(true)),
            ("12.4", "550.54.15", "NVIDIA H100 80GB HBM3", Some(false)),
            ("11.4", "470.82.01", "NVIDIA Graphics Device", None),
        ] {
            assert_eq!(met(IMAGE, known(cuda, driver, name)), expected, "{cuda} {driver} {name}");
        }
    }

    #[test]
    fn what_is_not_known_leaves_it_open() {
        assert_eq!(met("cuda>=12.8", Known::default()), None);
        assert_eq!(met("", Known::default()), Some(true));
        assert_eq!(met("arch>=7.5", known("13.0", "580.1", "NVIDIA L4")), None);
        assert_eq!(met("cuda", known("13.0", "580.1", "NVIDIA L4")), None);
        assert_eq!(met("cuda>=x", known("13.0", "580.1", "NVIDIA L4")), None);
        assert_eq!(met("driver=>580", known("13.0", "580.1", "NVIDIA L4")), None);
    }

    #[test]
    fn the_condition_on_cuda_is_what_a_reader_wants_to_see() {
        assert_eq!(cuda_condition(IMAGE), Some("cuda>=12.8"));
        assert_eq!(cuda_condition("brand=tesla,driver>=535"), None);
    }
}
