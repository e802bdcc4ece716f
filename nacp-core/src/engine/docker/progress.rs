//! How far a pull is, from the lines that a daemon sends about each layer.

use std::collections::BTreeMap;
use std::time::Duration;

use bollard::models::CreateImageInfo;

use crate::engine::PullProgress;
use crate::units::Bytes;

/// The shortest time between two tellings of one phase.
const PAUSE: Duration = Duration::from_millis(100);

const RESOLVING: &str = "resolving";
const DOWNLOADING: &str = "downloading";
const EXTRACTING: &str = "extracting";
const DONE: &str = "done";

/// What is known of one layer.
#[derive(Clone, Copy, Debug, Default)]
struct Layer {
    current: u64,
    total: u64,
    downloaded: bool,
    complete: bool,
}

/// How far a pull is. Nothing in it ever goes back, though a daemon may begin a layer anew.
#[derive(Debug)]
pub(super) struct Progress {
    layers: BTreeMap<String, Layer>,
    told: PullProgress,
}

impl Progress {
    pub(super) fn of(image: &str) -> Self {
        let (image, phase) = (image.to_owned(), RESOLVING.to_owned());
        Self { layers: BTreeMap::new(), told: PullProgress { image, phase, ..PullProgress::default() } }
    }

    /// Takes one line.
    pub(super) fn take(&mut self, line: &CreateImageInfo) {
        let (Some(id), Some(status)) = (&line.id, &line.status) else { return };
        // The first line has the tag where others have a layer.
        if id.is_empty() || status.starts_with("Pulling from") {
            return;
        }
        let layer = self.layers.entry(id.clone()).or_default();
        let number = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok()).unwrap_or_default();
        let detail = line.progress_detail.as_ref();
        let (current, total) = (number(detail.and_then(|it| it.current)), number(detail.and_then(|it| it.total)));
        match status.as_str() {
            "Downloading" => {
                layer.total = layer.total.max(total);
                layer.current = layer.current.max(current).min(layer.total.max(current));
            }
            "Verifying Checksum" | "Download complete" | "Extracting" => layer.downloaded = true,
            "Pull complete" | "Already exists" => (layer.downloaded, layer.complete) = (true, true),
            _ => {}
        }
        if layer.downloaded {
            layer.current = layer.total;
        }
        self.count(status != "Already exists");
    }

    /// Adds up. Where a layer was there before, others may not have been named yet.
    fn count(&mut self, all_named: bool) {
        let sum = |of: fn(&Layer) -> u64| Bytes(self.layers.values().map(of).sum());
        let number =
            |of: fn(&&Layer) -> bool| u32::try_from(self.layers.values().filter(of).count()).unwrap_or(u32::MAX);
        let told = &mut self.told;
        told.done = told.done.max(sum(|layer| layer.current));
        told.total = told.total.max(sum(|layer| layer.total)).max(told.done);
        told.layers = number(|_| true);
        told.layers_done = number(|layer| layer.complete);
        let downloaded = self.layers.values().all(|layer| layer.downloaded);
        match told.phase.as_str() {
            RESOLVING => told.phase = DOWNLOADING.to_owned(),
            DOWNLOADING if downloaded && all_named => told.phase = EXTRACTING.to_owned(),
            _ => {}
        }
    }

    /// All is there.
    pub(super) fn finish(&mut self) {
        let told = &mut self.told;
        (told.done, told.layers_done, told.phase) = (told.total, told.layers, DONE.to_owned());
    }

    pub(super) fn now(&self) -> &PullProgress {
        &self.told
    }
}

/// When to tell: each phase at once, and within a phase now and then.
#[derive(Debug, Default)]
pub(super) struct Rate {
    last: Option<(String, Duration)>,
}

impl Rate {
    /// Whether this is to be told at this time.
    pub(super) fn tells(&mut self, progress: &PullProgress, now: Duration) -> bool {
        let due = match &self.last {
            Some((phase, at)) => *phase != progress.phase || now.saturating_sub(*at) >= PAUSE,
            None => true,
        };
        if due {
            self.last = Some((progress.phase.clone(), now));
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(text: &str) -> CreateImageInfo {
        serde_json::from_str(text).unwrap()
    }

    fn told(progress: &Progress) -> (&str, u64, u64, u32, u32) {
        let now = progress.now();
        (now.phase.as_str(), now.done.0, now.total.0, now.layers_done, now.layers)
    }

    #[test]
    fn dockers_lines_add_up() {
        let mut progress = Progress::of("x");
        for (text, expected) in [
            (r#"{"status":"Pulling from nacp/x","id":"1"}"#, ("resolving", 0, 0, 0, 0)),
            (r#"{"status":"Pulling fs layer","progressDetail":{},"id":"a"}"#, ("downloading", 0, 0, 0, 1)),
            (r#"{"status":"Already exists","progressDetail":{},"id":"b"}"#, ("downloading", 0, 0, 1, 2)),
            (
                r#"{"status":"Downloading","progressDetail":{"current":4,"total":10},"id":"a"}"#,
                ("downloading", 4, 10, 1, 2),
            ),
            (
                r#"{"status":"Downloading","progressDetail":{"current":1,"total":10},"id":"a"}"#,
                ("downloading", 4, 10, 1, 2),
            ),
            (r#"{"status":"Download complete","progressDetail":{},"id":"a"}"#, ("extracting", 10, 10, 1, 2)),
            (
                r#"{"status":"Extracting","progressDetail":{"current":3,"total":10},"id":"a"}"#,
                ("extracting", 10, 10, 1, 2),
            ),
            (r#"{"status":"Pull complete","progressDetail":{},"id":"a"}"#, ("extracting", 10, 10, 2, 2)),
            (r#"{"status":"Digest: sha256:0"}"#, ("extracting", 10, 10, 2, 2)),
        ] {
            progress.take(&line(text));
            assert_eq!(told(&progress), expected, "{text}");
        }
        progress.finish();
        assert_eq!(told(&progress), ("done", 10, 10, 2, 2));
    }

    #[test]
    fn podmans_lines_have_no_bytes() {
        let mut progress = Progress::of("x");
        for text in [
            r#"{"status":"Pulling fs layer","progressDetail":{},"id":"a"}"#,
            r#"{"status":"Download complete","progressDetail":{},"id":"a"}"#,
        ] {
            progress.take(&line(text));
        }
        assert_eq!(told(&progress), ("extracting", 0, 0, 0, 1));
    }

    #[test]
    fn a_phase_is_told_at_once_and_the_rest_ten_times_a_second() {
        let (mut rate, mut progress) = (Rate::default(), PullProgress::default());
        let at = Duration::from_millis;
        let told: Vec<_> = (0..1000_u64).filter(|ms| rate.tells(&progress, at(*ms))).collect();
        assert_eq!(told, (0..10).map(|tenth| tenth * 100).collect::<Vec<_>>());
        progress.phase = "extracting".to_owned();
        assert!(rate.tells(&progress, at(901)) && !rate.tells(&progress, at(902)));
    }

    proptest! {
        #[test]
        fn nothing_ever_goes_back(lines in proptest::collection::vec((0..3_u8, 0..6_usize, -1..50_i64, -1..50_i64), 0..60)) {
            let words = ["Downloading", "Retrying in 1 second", "Download complete", "Extracting", "Pull complete", "Waiting"];
            let mut progress = Progress::of("x");
            let mut before = progress.now().clone();
            for (id, word, current, total) in lines {
                let text = serde_json::json!({
                    "id": id.to_string(), "status": words[word], "progressDetail": { "current": current, "total": total }
                });
                progress.take(&serde_json::from_value(text).unwrap());
                let now = progress.now();
                prop_assert!(now.done >= before.done && now.total >= before.total && now.done <= now.total);
                prop_assert!(now.layers_done >= before.layers_done && now.layers >= before.layers && now.layers_done <= now.layers);
                before = now.clone();
            }
        }
    }
}
