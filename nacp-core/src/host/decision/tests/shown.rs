//! How a decision is shown.

use super::super::{Criterion, decide};
use super::{engine, observed, wsl2};
use crate::host::{DaemonPlace, RuntimeOption};

fn decision() -> super::super::Decision {
    let mut survey = wsl2();
    survey.host.daemons = vec![engine(DaemonPlace::ThisKernel)];
    survey.host.kernel = Some("<script>alert(1)</script>|`x`".into());
    decide(&observed(survey))
}

#[test]
fn a_terminal_shows_every_criterion_and_option_within_its_width() {
    let decision = decision();
    for width in [0, 100, 140] {
        let text = format!("{decision:width$}");
        for criterion in Criterion::ALL {
            assert!(text.lines().any(|line| line.starts_with(criterion.title())), "{text}");
        }
        let widest = text.lines().skip(1).map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= width.max(100), "{widest}: {text}");
    }
    assert!(decision.to_string().contains("Stay on B: WSL2 container"));
    assert!(decision.to_string().contains("rated, not measured"));
}

#[test]
fn a_page_is_whole_in_itself_and_what_was_read_is_only_text() {
    let page = decision().html();
    assert!(page.contains("&lt;script&gt;") && !page.contains("<script"));
    for from_elsewhere in ["http://", "https://", "src=", "href=", "url("] {
        assert!(!page.contains(from_elsewhere), "{from_elsewhere}");
    }
    assert_eq!(page.matches("<svg").count(), 1);
    for tag in ["svg", "g", "text", "title", "table", "tr", "details", "summary", "div", "ul", "li", "p"] {
        let opened = page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
    }
    assert_eq!(page.matches("class=\"track\"").count(), 49);
}

#[test]
fn markdown_has_one_table_of_the_document_s_form_and_escapes_what_was_read() {
    let text = decision().markdown();
    let header = RuntimeOption::ALL.map(RuntimeOption::title).join(" | ");
    assert!(text.contains(&format!("|  | {header} |\n|---|")), "{text}");
    assert!(text.contains("\\<script\\>") && text.contains("\\|\\`x\\`"));
}

#[test]
fn published_figures_stand_beside_a_cell_and_never_count() {
    let decision = decision();
    let cell = decision.cell(RuntimeOption::BContainer, Criterion::Throughput).unwrap();
    let blender = cell.published.iter().find(|it| it.claim.contains("Blender")).unwrap();
    assert_eq!((blender.year, blender.anecdote), (Some(2021), false));
    assert_eq!(cell.score(), Some(0.75), "the document's step, not a published ratio");
    assert!(decision.html().contains("Blender within 1 % of native (published: NVIDIA"));
}
