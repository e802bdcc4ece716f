//! The founding document's own ratings, and what others have published, as data.
//!
//! The document compared A and B on architecture and did not measure; its text has no numbers. The steps here are NACP's
//! reading of its reasons. Of the servers it says only that services move there, so it rates them by parity alone, where
//! they are the aim itself.

use super::{Criterion, Published, Rated, Rating};
use crate::host::RuntimeOption;

use Criterion::{Devops, Overhead, Parity, Portability, Reproducibility, Stability, Throughput};
use Rating::{Fair, Good, Poor, Strong, Weak};
use RuntimeOption::{AContainer, AProcess, BContainer, BProcess, CloudVm, KubernetesNode, NativeLinux};

/// The options whose GPU is WSL2's `/dev/dxg`.
const PARAVIRTUAL: [RuntimeOption; 3] = [AContainer, BProcess, BContainer];

const SAME_WAY: &str = "the containers of A and B, and processes in WSL2, reach the GPU on one paravirtualised path, \
                        /dev/dxg; by this criterion they are the same";

type Row = (RuntimeOption, Criterion, Rating, &'static str);

const RATINGS: [Row; 31] = [
    (AProcess, Throughput, Good, "the Windows driver without a virtual machine in between, shared with the desktop"),
    (AContainer, Throughput, Good, SAME_WAY),
    (BProcess, Throughput, Good, SAME_WAY),
    (BContainer, Throughput, Good, SAME_WAY),
    (AProcess, Overhead, Good, "no virtual machine in between; WDDM gathers work before it submits it"),
    (AContainer, Overhead, Fair, SAME_WAY),
    (BProcess, Overhead, Fair, SAME_WAY),
    (BContainer, Overhead, Fair, SAME_WAY),
    (AProcess, Parity, Poor, "Windows programs and Windows drivers are not what the servers run"),
    (AContainer, Parity, Fair, "Linux images, on a daemon and a kernel that Docker Desktop owns"),
    (BProcess, Parity, Fair, "the servers' userland without their containers"),
    (BContainer, Parity, Good, "the same stack as the servers to which services move, except for the path to the GPU"),
    (NativeLinux, Parity, Strong, "it is what services move to"),
    (KubernetesNode, Parity, Strong, "it is what services move to"),
    (CloudVm, Parity, Strong, "it is what services move to"),
    (AProcess, Portability, Poor, "a Windows process is no image and runs on no server"),
    (AContainer, Portability, Good, "the same images; how they get a GPU is Docker Desktop's own matter"),
    (BProcess, Portability, Weak, "a Linux process moves to a server, its surroundings do not"),
    (BContainer, Portability, Strong, "the same image, engine and toolkit as on the servers"),
    (AProcess, Devops, Weak, "what operates the servers does not operate Windows services"),
    (AContainer, Devops, Weak, "a desktop program with a licence and settings behind a screen owns the daemon"),
    (BProcess, Devops, Fair, "the servers' shell and packages, no containers"),
    (BContainer, Devops, Good, "the servers' engine, toolkit and commands, without a desktop program"),
    (AProcess, Stability, Fair, "updates of Windows bring new drivers when they want"),
    (AContainer, Stability, Weak, "updates of Windows and of Docker Desktop both change what containers run on"),
    (BProcess, Stability, Fair, "updates of Windows change driver and kernel under a distribution that stays"),
    (
        BContainer,
        Stability,
        Good,
        "engine and toolkit are packages that stay until they are upgraded; only driver and kernel are Windows'",
    ),
    (AProcess, Reproducibility, Poor, "nothing pins a Windows installation"),
    (AContainer, Reproducibility, Fair, "images have digests; daemon, toolkit and kernel follow Docker Desktop"),
    (BProcess, Reproducibility, Weak, "packages have versions, surroundings have none"),
    (BContainer, Reproducibility, Good, "images have digests, engine and toolkit have versions that are chosen"),
];

/// The document's word on a cell, or why it has none.
pub(super) fn rating(option: RuntimeOption, criterion: Criterion) -> Result<Rated, &'static str> {
    let row = RATINGS.iter().find(|(of, by, ..)| (*of, *by) == (option, criterion));
    let Some((_, _, rating, reason)) = row else {
        return Err("the document does not rate it");
    };
    Ok(Rated { rating: *rating, reason: (*reason).into(), shared_with: same_way(option, criterion) })
}

/// The other options that are the same thing by this criterion.
pub(super) fn same_way(option: RuntimeOption, criterion: Criterion) -> Vec<RuntimeOption> {
    let shares = matches!(criterion, Throughput | Overhead) && PARAVIRTUAL.contains(&option);
    PARAVIRTUAL.into_iter().filter(|other| shares && *other != option).collect()
}

const WSL2_BLOG: &str = "NVIDIA, Leveling up CUDA performance on WSL2, in secondary quotation";

/// What others have published about a cell.
pub(super) fn published(option: RuntimeOption, criterion: Criterion) -> Vec<Published> {
    let said = |claim: &str, source: &str, year, anecdote| Published {
        claim: claim.into(),
        source: source.into(),
        year,
        anecdote,
    };
    match (option, criterion) {
        (AContainer | BProcess | BContainer, Throughput) => vec![
            said("Blender within 1 % of native", WSL2_BLOG, Some(2021), false),
            said(
                "a language model on WSL2 5 to 10 % slower, RTX 3090: 65 to 70 against 72 tokens a second",
                "codcompass",
                None,
                true,
            ),
        ],
        (AContainer | BProcess | BContainer, Overhead) => vec![
            said("GenomeWorks, which starts short kernels, at 90 % of native or more", WSL2_BLOG, Some(2021), false),
            said("all GPU work passes one VMBUS in order", WSL2_BLOG, Some(2021), false),
        ],
        (AProcess, Throughput) => vec![
            said(
                "Windows against Linux: no difference with llama.cpp (mixture of experts)",
                "users of llama.cpp",
                None,
                true,
            ),
            said("Windows against Linux: a difference of 15 to 25 %", "reports of users", None, true),
            said("Windows 10 against Linux: a difference of 72 to 118 % with Ollama", "users of Ollama", None, true),
        ],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_rates_every_cell_of_a_and_b_and_of_the_servers_only_parity() {
        for criterion in Criterion::ALL {
            for option in [AProcess, AContainer, BProcess, BContainer] {
                assert!(rating(option, criterion).is_ok(), "{option} {criterion}");
            }
            for option in [NativeLinux, KubernetesNode, CloudVm] {
                assert_eq!(rating(option, criterion).is_ok(), criterion == Parity, "{option} {criterion}");
            }
        }
    }

    #[test]
    fn what_shares_the_path_is_rated_alike_and_says_so() {
        for criterion in [Throughput, Overhead] {
            let rated = PARAVIRTUAL.map(|option| rating(option, criterion).unwrap());
            assert!(rated.iter().all(|it| it.rating == rated[0].rating && it.reason.contains("/dev/dxg")));
            assert!(rated.iter().all(|it| it.shared_with.len() == 2));
        }
        assert!(rating(AProcess, Throughput).unwrap().shared_with.is_empty());
        assert!(rating(BContainer, Parity).unwrap().shared_with.is_empty());
    }
}
