//! How fast kernels run here: `cargo test -p nacp-sim-cuda speed -- --ignored --nocapture`.

use std::time::Instant;

use nacp_core::cuda::Profile;

use super::kernels::{Images, suite};

/// Lane instructions a second that the slowest kernel does at least, on all cores together.
const LEAST: f64 = 5e7;

#[test]
#[ignore = "takes a quiet machine"]
fn every_kernel_of_the_suite_is_fast_enough() {
    let images = Images::new();
    println!("kernel        profile     lane instructions   seconds   million a second");
    for profile in [Profile::Tiny, Profile::Small, Profile::Standard] {
        for launch in suite(profile) {
            let started = Instant::now();
            let (_, stats) = images.launch(&launch, None, None);
            let seconds = started.elapsed().as_secs_f64();
            #[expect(clippy::cast_precision_loss, reason = "for people")]
            let rate = stats.instructions as f64 / seconds;
            let (kernel, profile) = (launch.kernel().symbol(), format!("{profile:?}"));
            println!("{kernel:13} {profile:9} {:19} {seconds:9.4} {:18.0}", stats.instructions, rate / 1e6);
            assert!(profile != "Standard" || rate > LEAST, "{kernel}");
        }
    }
}
