//! A routing decision allocates nothing: proved by counting what the allocator is asked for.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use nacp_core::engine::Endpoint;
use nacp_core::route::{Request, Router};

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

#[expect(unsafe_code, reason = "a counting allocator is the only way to see allocations")]
// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`, which is that of the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `alloc` above, that is, from the system's allocator, with the same layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.with(Cell::get);
    work();
    ALLOCATIONS.with(Cell::get) - before
}

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
