//! Holds the book in docs/ to the library and to itself.

use std::fs;
use std::path::{Path, PathBuf};

use nacp_core::cuda::compat::tables::{BRANCHES, CAPABILITIES, FAMILIES, TOOLKITS};
use nacp_core::cuda::compat::{self, Gpu, InstalledDriver, Platform, Rule};
use nacp_core::cuda::determinism::{RECORDED, Scope};
use nacp_core::cuda::{CheckId, Level, check};
use nacp_core::gpu::MetricKind;
use nacp_core::gpu::health::{ConditionKind, Thresholds};
use nacp_core::observe::{Family, FamilySet, families};
use nacp_core::service::App;
use nacp_core::service::determinism::{LEFT_ALONE, VARIABLES};
use nacp_core::{Bytes, ErrorKind};

#[test]
fn the_table_of_errors_is_the_one_of_the_library() {
    let page = fs::read_to_string(docs().join("errors.md")).unwrap();
    let rows: Vec<String> = page
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.split('|').take(5).collect::<Vec<_>>().join("|"))
        .collect();
    let kinds: Vec<String> = ErrorKind::ALL
        .iter()
        .map(|it| format!("| `{}` | {} | `{}` | `{}` ", it.name(), it.code(), it.python_class(), it.c_status()))
        .collect();
    assert_eq!(rows, kinds);
}

#[test]
fn the_table_of_conditions_is_the_one_of_the_library() {
    let page = fs::read_to_string(docs().join("health.md")).unwrap();
    let rows = table(&page, "kind");
    let kinds: Vec<String> = ConditionKind::ALL
        .iter()
        .map(|it| format!("| `{it}` | {} | {} | {} | {} |", it.rule(), it.source(), it.severity(), it.action()))
        .collect();
    assert_eq!(rows, kinds, "\n{}\n", kinds.join("\n"));
}

#[test]
fn every_threshold_is_in_the_book_with_its_default() {
    let page = fs::read_to_string(docs().join("health.md")).unwrap();
    let rows: Vec<String> = table(&page, "threshold")
        .iter()
        .map(|line| line.split('|').take(3).collect::<Vec<_>>().join("|").trim_end().to_owned())
        .collect();
    let serde_json::Value::Object(fields) = serde_json::to_value(Thresholds::default()).unwrap() else { panic!() };
    let expected: Vec<String> = fields
        .iter()
        .map(|(name, value)| match value {
            serde_json::Value::Object(_) => format!("| `{name}` |"),
            serde_json::Value::Null => format!("| `{name}` | none"),
            value => format!("| `{name}` | {value}"),
        })
        .collect();
    let (mut rows, mut expected) = (rows, expected);
    rows.sort();
    expected.sort();
    assert_eq!(rows, expected);
}

#[test]
fn the_tables_of_the_strict_environment_are_those_of_the_library() {
    let page = fs::read_to_string(docs().join("determinism.md")).unwrap();
    let set =
        VARIABLES.map(|it| format!("| `{}` | `{}` | {} | {} | {} |", it.name, it.value, it.why, it.cost, it.limit));
    assert_eq!(table(&page, "variable"), set, "\n{}\n", set.join("\n"));
    let left = LEFT_ALONE.map(|it| format!("| `{}` | {} |", it.name, it.why));
    assert_eq!(table(&page, "left alone"), left, "\n{}\n", left.join("\n"));
}

#[test]
fn a_certificate_records_the_strict_variables_that_reach_the_gpu_and_the_book_names_its_scopes() {
    let page = fs::read_to_string(docs().join("determinism.md")).unwrap();
    for variable in VARIABLES.iter().filter(|it| it.name != "PYTHONHASHSEED") {
        assert!(RECORDED.iter().any(|(name, _)| *name == variable.name), "{}", variable.name);
    }
    for scope in [Scope::RunToRun, Scope::GpuToGpu, Scope::CpuVerified] {
        assert!(page.contains(&format!("| `{scope}` | ")), "{scope}");
    }
}

#[test]
fn the_table_of_multiprocessors_is_the_one_of_the_library() {
    use nacp_core::cuda::efficiency::{ProductLine, cores_per_multiprocessor, tensor_f16};
    let page = fs::read_to_string(docs().join("cuda-performance.md")).unwrap();
    let rows = table(&page, "compute capability");
    assert!(rows.len() > 10, "the table was not found");
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        for compute in cells[0].split(", ").map(|it| it.replace(".x", ".0")) {
            let compute = compute.parse().unwrap();
            let cores = cores_per_multiprocessor(compute).expect("a row has cores");
            assert_eq!(cells[1], cores.to_string(), "{row}");
            // One multiprocessor at 1 MHz does so many million operations a second as it does in a clock.
            let rate = |line| tensor_f16(compute, line, 1, 1.0).map(|peak| format!("{:.0}", peak.value / 1e6));
            let told = match (rate(ProductLine::GeForce), rate(ProductLine::Professional)) {
                (Ok(geforce), Ok(others)) if geforce == others => others,
                (Ok(geforce), Ok(others)) => format!("{geforce} GeForce, {others} others"),
                (_, Err(unknown)) if unknown.to_string().ends_with("has no tensor units") => String::new(),
                _ => "unknown".into(),
            };
            assert_eq!(cells[2], told, "{row}");
        }
    }
}

#[test]
fn every_page_is_in_the_book_and_every_link_leads_somewhere() {
    let summary = fs::read_to_string(docs().join("SUMMARY.md")).unwrap();
    let listed: Vec<PathBuf> = links(&summary).iter().map(|link| docs().join(link)).collect();
    let pages = pages(&docs());
    assert!(pages.len() > 5, "the book was not found: {pages:?}");
    let mut wrong = Vec::new();
    for page in &pages {
        if !page.ends_with("SUMMARY.md") && !listed.contains(page) {
            wrong.push(format!("{} is not in SUMMARY.md", page.display()));
        }
        for link in links(&fs::read_to_string(page).unwrap()) {
            if !page.with_file_name(&link).exists() {
                wrong.push(format!("{} leads to {link}, which is not there", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn every_app_and_every_threshold_in_the_pages_is_one_that_the_library_reads() {
    let mut apps = 0;
    for page in pages(&docs()).into_iter().chain([docs().with_file_name("README.md")]) {
        for block in yaml(&fs::read_to_string(&page).unwrap()).iter().filter(|block| block.starts_with("name:")) {
            App::parse(block).unwrap_or_else(|error| panic!("{}: {error}\n{block}", page.display()));
            apps += 1;
        }
    }
    let health = yaml(&fs::read_to_string(docs().join("health.md")).unwrap());
    assert!(!health.is_empty());
    for block in health {
        Thresholds::parse(&block).unwrap_or_else(|error| panic!("{error}\n{block}"));
    }
    assert!(apps >= 2, "the apps of README.md and concepts.md were not found");
}

#[test]
fn the_tables_of_metrics_are_those_of_the_library() {
    let page = fs::read_to_string(docs().join("metrics.md")).unwrap();
    let is_row = |line: &&str| line.matches('|').count() == 5 && (line.contains("`DCGM_") || line.contains("`nacp_"));
    let rows: Vec<&str> = page.lines().filter(is_row).filter(|line| line.starts_with("| `")).collect();
    let of = |set| families().filter(move |family| family.set == set);
    let row = |family: &Family| {
        let kind = if family.kind == MetricKind::Counter { "counter" } else { "gauge" };
        format!("| `{}` | {kind} | {} | `{}` |", family.name, family.unit, family.source)
    };
    let sets = [FamilySet::DcgmDefault, FamilySet::DcgmOptional, FamilySet::Nacp];
    assert_eq!(rows, sets.into_iter().flat_map(of).map(row).collect::<Vec<_>>());
}

#[test]
fn the_tables_of_cuda_are_those_of_the_library() {
    let page = fs::read_to_string(docs().join("cuda-compat.md")).unwrap();
    let or = |value: Option<String>| value.unwrap_or_else(|| "–".into());
    let toolkits = TOOLKITS.iter().rev().flat_map(|row| {
        let ptx = or(row.ptx.map(|ptx| ptx.to_string()));
        let releases = row.releases.iter().rev().map(move |release| {
            let update = if release.update == 0 { String::new() } else { format!(" update {}", release.update) };
            let windows = release.windows.map_or_else(|| "–".into(), |version| version.to_string());
            format!("| {}{update} | {} | {windows} | {ptx} |", row.toolkit, release.linux)
        });
        let unknown = format!("| {} | – | – | {} |", row.toolkit, or(row.ptx.map(|ptx| ptx.to_string())));
        releases.chain(row.releases.is_empty().then_some(unknown)).collect::<Vec<_>>()
    });
    let families = FAMILIES.iter().map(|row| format!("| {}.x | {} | {} |", row.major, row.linux, row.windows));
    let capabilities = CAPABILITIES.iter().map(|row| {
        let texts = [row.first, row.last, row.ptx].map(|version| or(version.map(|it| it.to_string())));
        let branch = or(row.last_branch.map(|branch| format!("R{branch}")));
        let chip = if row.tegra { "yes" } else { "" };
        format!("| {} | {} | {} | {branch} | {chip} |", row.compute, row.name, texts.join(" | "))
    });
    let branches = BRANCHES.iter().rev().map(|row| {
        let end = or(row.end.map(|end| end.to_string()));
        format!("| R{} | {} | {} | {end} |", row.branch, row.cuda, or(row.kind.map(Into::into)))
    });
    let rules = Rule::ALL.iter().map(|rule| {
        let serde_json::Value::String(name) = serde_json::to_value(rule).unwrap() else { panic!() };
        format!("| `{name}` | {} |", rule.text())
    });
    for (head, expected) in [
        ("toolkit", toolkits.collect::<Vec<_>>()),
        ("family", families.collect()),
        ("compute capability", capabilities.collect()),
        ("branch", branches.collect()),
        ("rule", rules.collect()),
    ] {
        assert_eq!(table(&page, head), expected, "{head}\n{}\n", expected.join("\n"));
    }
}

/// Each row of the page's examples, computed anew.
#[test]
fn the_verdicts_in_the_book_are_those_of_the_library() {
    let page = fs::read_to_string(docs().join("cuda-compat.md")).unwrap();
    let rows = table(&page, "driver");
    assert!(rows.len() > 4, "{rows:?}");
    for row in rows {
        let [_, driver, platform, toolkit, gpu, compute, verdict, _] =
            row.split('|').map(str::trim).collect::<Vec<_>>()[..]
        else {
            panic!("{row}")
        };
        let platform = Platform::ALL.into_iter().find(|it| it.to_string() == platform).unwrap();
        let driver = InstalledDriver::of_version(driver.parse().unwrap(), platform);
        let gpu = Gpu::named(gpu, compute.parse().unwrap());
        assert_eq!(compat::toolkit(&driver, toolkit.parse().unwrap(), Some(&gpu)).to_string(), verdict);
    }
}

#[test]
fn memory_is_printed_as_the_book_says() {
    let page = fs::read_to_string(docs().join("concepts.md")).unwrap();
    let row = page.lines().find(|line| line.starts_with("| `Bytes`")).unwrap();
    let [read, printed] = row.split('`').skip(3).step_by(2).collect::<Vec<_>>()[..] else { panic!("{row}") };
    assert_eq!(read.parse::<Bytes>().unwrap().to_string(), printed);
}

#[test]
fn the_table_of_checks_is_the_one_of_the_library() {
    let page = fs::read_to_string(docs().join("cuda-checks.md")).unwrap();
    let about = |scope| match scope {
        check::Scope::Machine => "the machine",
        check::Scope::Device => "a device",
        check::Scope::Devices => "all devices",
    };
    let row = |id: &CheckId| {
        let (level, limit) = (id.level(), id.limit(id.level()).as_secs_f64());
        let title = id.title().trim_end_matches('.');
        format!("| `{id}`: {title} | {level} | {} | {limit} s | {} |", about(id.scope()), id.passes())
    };
    let rows: Vec<String> = CheckId::ALL.iter().map(row).collect();
    assert_eq!(table(&page, "check"), rows, "\n{}\n", rows.join("\n"));
    let limits = Level::ALL.map(|level| (format!("| `{level}` |"), level.limit().as_secs()));
    let levels = table(&page, "level");
    assert_eq!(levels.len(), limits.len());
    for (row, (begin, seconds)) in levels.iter().zip(limits) {
        let limit = if seconds % 60 == 0 { format!("| {} min |", seconds / 60) } else { format!("| {seconds} s |") };
        assert!(row.starts_with(&begin) && row.ends_with(&limit), "{row}: {begin} … {limit}");
    }
}

#[test]
fn the_ratings_of_the_founding_decision_are_those_of_the_library() {
    use nacp_core::host::decision::Criterion;
    use nacp_core::host::{Evaluation, Root, RuntimeOption};
    let page = fs::read_to_string(docs().join("adr/0000-the-founding-decision.md")).unwrap();
    let nothing = tempfile::tempdir().unwrap();
    let decision = Evaluation::new().root(Root::open(nothing.path()).unwrap()).run();
    let row = |criterion| {
        let rated = |option| decision.cell(option, criterion).unwrap().rated.as_ref();
        let words = RuntimeOption::ALL.map(|option| rated(option).map_or("–", |rated| rated.rating.word()));
        format!("| {criterion} | {} |", words.join(" | "))
    };
    let rows = Criterion::ALL.map(row);
    assert_eq!(table(&page, "rated"), rows, "\n{}\n", rows.join("\n"));
    let options = RuntimeOption::ALL.map(|option| format!("| `{}` |", option.name()));
    let named = table(&page, "option");
    assert!(named.iter().zip(&options).all(|(row, name)| row.starts_with(name)) && named.len() == 7, "{named:?}");
}

/// The rows of the table whose first column has this head.
fn table(page: &str, head: &str) -> Vec<String> {
    let rows = page.lines().skip_while(|line| !line.starts_with(&format!("| {head} |"))).skip(2);
    rows.take_while(|line| line.starts_with('|')).map(str::to_owned).collect()
}

/// The blocks of YAML in a page.
fn yaml(text: &str) -> Vec<String> {
    text.split("```yaml\n").skip(1).filter_map(|rest| rest.split_once("```")).map(|(block, _)| block.into()).collect()
}

/// The targets of the Markdown links within the book, without their fragments.
fn links(text: &str) -> Vec<String> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(link, _)| link.split('#').next().unwrap_or_default().to_owned())
        .filter(|link| !link.is_empty() && !link.contains("://"))
        .collect()
}

fn pages(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(pages(&path));
        } else if path.extension().is_some_and(|it| it == "md") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")
}
