use serde_json::json;

use super::*;
use crate::clock::ManualClock;
use crate::gpu::{Fields, Gpu, Origin, Sample, Source};
use crate::sim;

/// A machine of two GPUs that passes through these steps, and a clock that moves it.
fn machine(steps: serde_json::Value) -> (NodeGpus, Arc<ManualClock>) {
    let mut file: serde_json::Value = serde_json::to_value(sim::NodeFile::shipped("h100x8").unwrap()).unwrap();
    file["script"] = steps;
    let clock = Arc::new(ManualClock::default());
    let file = sim::NodeFile::parse(&file.to_string()).unwrap();
    let source = sim::Node::from(file).with_clock(clock.clone());
    let node = Node::from_source(Arc::new(source)).unwrap();
    (NodeGpus::new(node).with_clock(clock.clone()), clock)
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_gpu_that_falls_off_the_bus_is_condemned_and_is_not_when_it_is_back() {
    let (gpus, clock) = machine(json!([
        { "tick": 50, "gpu": 3, "lost": true },
        { "tick": 1000, "gpu": 3, "lost": false },
    ]));
    let view = gpus.view().await.unwrap();
    assert_eq!(view.condemned, BTreeMap::new());
    let lost = view.snapshot.gpus[3].gpu.id.clone();
    clock.advance(6 * SECOND);
    let view = gpus.view().await.unwrap();
    assert_eq!(view.condemned.keys().collect::<Vec<_>>(), [&lost], "{:?}", view.condemned);
    let reason = &view.condemned[&lost];
    assert!(
        reason.starts_with("the GPU has stopped answering") && reason.ends_with("; restart the machine"),
        "{reason}"
    );
    for _ in 0..40 {
        clock.advance(10 * SECOND);
        gpus.view().await.unwrap();
    }
    assert_eq!(gpus.view().await.unwrap().condemned, BTreeMap::new());
}

#[tokio::test]
async fn a_gpu_of_which_the_driver_told_xid_79_is_condemned() {
    let (gpus, clock) = machine(json!([{ "tick": 50, "gpu": 1, "xid": 79 }, { "tick": 60, "gpu": 2, "xid": 13 }]));
    let gpu = gpus.view().await.unwrap().snapshot.gpus[1].gpu.id.clone();
    clock.advance(10 * SECOND);
    let view = gpus.view().await.unwrap();
    assert_eq!(view.condemned.keys().collect::<Vec<_>>(), [&gpu], "a program's mistake condemns no GPU");
    assert!(view.condemned[&gpu].contains("79"), "{:?}", view.condemned);
    clock.advance(300 * SECOND);
    assert!(gpus.view().await.unwrap().condemned.contains_key(&gpu), "it does not mend by itself");
}

/// A driver whose GPUs can vanish, and which can hang or fail.
#[derive(Debug)]
struct Moody {
    inner: sim::Node,
    mood: Arc<Mutex<Mood>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mood {
    Well,
    Fails,
    Hangs,
    HasOneLess,
}

impl Moody {
    fn mood(&self) -> Mood {
        *self.mood.lock().unwrap()
    }
}

impl Source for Moody {
    fn origin(&self) -> &Origin {
        self.inner.origin()
    }

    fn inventory(&self) -> Result<Vec<Gpu>> {
        let mut gpus = self.inner.inventory()?;
        if self.mood() == Mood::HasOneLess {
            gpus.pop();
        }
        Ok(gpus)
    }

    fn sample(&self, fields: Fields, samples: &mut Vec<Sample>) -> Result<()> {
        while self.mood() == Mood::Hangs {
            std::thread::sleep(Duration::from_millis(5));
        }
        match self.mood() {
            Mood::Fails => Err(Error::new(ErrorKind::DriverUnavailable, "gpu.sample", "it is out of sorts")),
            _ => self.inner.sample(fields, samples),
        }
    }
}

fn moody() -> (NodeGpus, Arc<ManualClock>, Arc<Mutex<Mood>>) {
    let clock = Arc::new(ManualClock::default());
    let mood = Arc::new(Mutex::new(Mood::Well));
    let inner = sim::Node::named("h100x8").unwrap().with_clock(clock.clone());
    let node = Node::from_source(Arc::new(Moody { inner, mood: Arc::clone(&mood) })).unwrap();
    let mut gpus = NodeGpus::new(node).with_clock(clock.clone());
    gpus.limit = Duration::from_millis(100);
    (gpus, clock, mood)
}

#[tokio::test]
async fn a_gpu_that_is_no_longer_listed_is_condemned() {
    let (gpus, clock, mood) = moody();
    let last = gpus.view().await.unwrap().snapshot.gpus[7].gpu.id.clone();
    *mood.lock().unwrap() = Mood::HasOneLess;
    clock.advance(61 * SECOND);
    let view = gpus.view().await.unwrap();
    assert_eq!(view.snapshot.gpus.len(), 7);
    assert_eq!(view.condemned, BTreeMap::from([(last, "it is no longer there".to_owned())]));
    *mood.lock().unwrap() = Mood::Well;
    clock.advance(61 * SECOND);
    assert_eq!(gpus.view().await.unwrap().condemned, BTreeMap::new());
}

#[tokio::test]
async fn the_last_view_stands_for_a_minute_while_the_driver_fails() {
    let (gpus, clock, mood) = moody();
    *mood.lock().unwrap() = Mood::Fails;
    assert_eq!(gpus.view().await.unwrap_err().kind(), ErrorKind::DriverUnavailable, "nothing was read yet");
    *mood.lock().unwrap() = Mood::Well;
    let read = gpus.view().await.unwrap().snapshot.at;
    *mood.lock().unwrap() = Mood::Fails;
    clock.advance(59 * SECOND);
    assert_eq!(gpus.view().await.unwrap().snapshot.at, read);
    clock.advance(2 * SECOND);
    assert_eq!(gpus.view().await.unwrap_err().kind(), ErrorKind::DriverUnavailable);
    *mood.lock().unwrap() = Mood::Well;
    assert_ne!(gpus.view().await.unwrap().snapshot.at, read);
}

#[tokio::test]
async fn a_driver_that_hangs_is_a_time_out_and_is_asked_again_when_it_has_answered() {
    let (gpus, clock, mood) = moody();
    let read = gpus.view().await.unwrap().snapshot.at;
    *mood.lock().unwrap() = Mood::Hangs;
    clock.advance(SECOND);
    let begin = std::time::Instant::now();
    for _ in 0..20 {
        assert_eq!(gpus.view().await.unwrap().snapshot.at, read);
    }
    assert!(begin.elapsed() < Duration::from_secs(1), "it is waited for once: {:?}", begin.elapsed());
    clock.advance(STANDS);
    let error = gpus.view().await.unwrap_err();
    assert_eq!((error.kind(), error.get("within")), (ErrorKind::Timeout, Some("100ms")));
    *mood.lock().unwrap() = Mood::Well;
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        if gpus.view().await.is_ok_and(|view| view.snapshot.at != read) {
            return;
        }
    }
    panic!("it is not asked again");
}

#[tokio::test]
async fn a_runtime_ends_though_the_driver_hangs() {
    let ended = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (gpus, _, mood) = moody();
        *mood.lock().unwrap() = Mood::Hangs;
        assert!(runtime.block_on(gpus.view()).is_err());
        drop((gpus, runtime));
        *mood.lock().unwrap() = Mood::Well;
    });
    for _ in 0..200 {
        if ended.is_finished() {
            return ended.join().unwrap();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the runtime waits for the driver");
}

#[tokio::test]
async fn wrong_thresholds_are_told_by_the_first_view() {
    let (gpus, _, _) = moody();
    let thresholds = Thresholds { slowdown_window: 0, ..Thresholds::default() };
    assert_eq!(gpus.with_thresholds(thresholds).view().await.unwrap_err().kind(), ErrorKind::InvalidArgument);
}
