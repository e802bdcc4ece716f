//! A tick of the poller allocates nothing: proved by counting what the allocator is asked for.

mod counting;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use nacp_core::Result;
use nacp_core::gpu::telemetry::{Poller, TelemetryOptions};
use nacp_core::gpu::{Fan, Fields, Gpu, GpuId, Node, Origin, Process, ProcessKind, Reading, Sample, Source};

use counting::allocations;

/// Eight GPUs with fans and programs, read without an allocation.
#[derive(Debug)]
struct Frugal(Origin);

fn id(at: u32) -> GpuId {
    format!("GPU-5bd9f9a4-1d2e-4c8f-9a61-0123456789{at:02x}").parse().expect("it is a UUID")
}

impl Source for Frugal {
    fn origin(&self) -> &Origin {
        &self.0
    }

    fn inventory(&self) -> Result<Vec<Gpu>> {
        Ok((0..8).map(|at| Gpu::new(id(at), at, "frugal")).collect())
    }

    fn sample(&self, fields: Fields, samples: &mut Vec<Sample>) -> Result<()> {
        for sample in samples {
            if fields.contains(Fields::POWER) {
                sample.power = Reading::Known(100_000);
            }
            if fields.contains(Fields::ENERGY) {
                let energy = sample.energy.known().copied().unwrap_or(0);
                sample.energy = Reading::Known(energy + 100_000);
            }
            if fields.contains(Fields::FANS) {
                refill(&mut sample.fans, [Fan::default(), Fan::default()]);
            }
            if fields.contains(Fields::PROCESSES) {
                let process = |pid| Process::new(pid, ProcessKind::Compute, Reading::default());
                refill(&mut sample.processes, [process(1), process(2), process(3)]);
            }
        }
        Ok(())
    }
}

fn refill<T, const N: usize>(list: &mut Reading<Vec<T>>, items: [T; N]) {
    if list.known().is_none() {
        *list = Reading::Known(Vec::with_capacity(N));
    }
    if let Reading::Known(list) = list {
        list.clear();
        list.extend(items);
    }
}

#[test]
fn a_tick_allocates_nothing_with_and_without_subscribers_that_keep_up_or_lag() {
    let origin = Origin { simulated: true, name: "frugal".to_owned(), driver: None, cuda: None };
    let node = Node::from_source(Arc::new(Frugal(origin))).expect("it always answers");
    // So short a history that its rings go round, too.
    let options = TelemetryOptions { history: Duration::from_secs(60), ..TelemetryOptions::default() };
    let mut poller = Poller::new(node, options).expect("the options are right");
    let mut now = Duration::ZERO;
    let mut tick = |many: u32| {
        for _ in 0..many {
            now = poller.tick(now, Timestamp::UNIX_EPOCH).next;
        }
    };
    tick(400);
    assert_eq!(allocations(|| tick(2_000)), 0, "nobody listens");

    let (mut quick, slow) = (poller.subscribe(), poller.subscribe());
    let mut tick_and_take = |many: u32| {
        for _ in 0..many {
            now = poller.tick(now, Timestamp::UNIX_EPOCH).next;
            while quick.try_next().is_some() {}
        }
    };
    tick_and_take(400);
    assert_eq!(allocations(|| tick_and_take(2_000)), 0, "one takes all, one takes nothing");
    drop(slow);
    assert!(allocations(|| drop(vec![1])) > 0, "the allocator counts");
}
