//! A routing decision allocates nothing: proved by counting what the allocator is asked for.

mod counting;

use nacp_core::engine::Endpoint;
use nacp_core::route::{Request, Router};

use counting::allocations;

#[test]
fn a_decision_allocates_nothing() {
    let router = Router::new();
    router.update((0..32).map(|index| {
        let address = ([127, 0, 0, 1], 8000 + index).into();
        Endpoint::new("app", "llm", format!("llm-{index}"), address).model("phi3:mini")
    }));
    let decide = || {
        let lease = router.route(&Request::new("phi3:mini")).expect("there is such a model");
        let other = router.route(&Request::new("app/llm").avoiding(std::slice::from_ref(&lease)));
        assert_ne!(other.expect("31 are left").endpoint(), lease.endpoint());
    };
    decide();
    assert_eq!(allocations(|| (0..10_000).for_each(|_| decide())), 0);
    assert!(allocations(|| drop(vec![1])) > 0, "the allocator counts");
}
