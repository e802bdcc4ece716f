//! A connection that the other side closed is an error of that connection, and no signal that ends the program.
//!
//! Some writes to such a connection raise SIGPIPE, which ends a program that does not expect it, as C programs do not.
//! The signal goes to the thread that wrote. So our own threads block it, and a caller's thread blocks it for the time
//! of a call; how the program itself treats the signal is not touched.

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr;

/// A set with SIGPIPE alone.
fn sigpipe() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: the pointer points to room for a set, which the call initialises.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: the set is initialised.
    unsafe { libc::sigaddset(set.as_mut_ptr(), libc::SIGPIPE) };
    // SAFETY: the set is initialised.
    unsafe { set.assume_init() }
}

/// Blocks the signal on this thread and tells what was blocked before.
fn block() -> libc::sigset_t {
    let set = sigpipe();
    let mut before = set;
    // SAFETY: both pointers point to sets that are initialised.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, &raw mut before) };
    before
}

/// Whether the signal waits for this thread to take it.
fn is_pending() -> bool {
    let mut pending = sigpipe();
    // SAFETY: the pointer points to an initialised set.
    unsafe { libc::sigpending(&raw mut pending) };
    // SAFETY: the pointer points to an initialised set.
    unsafe { libc::sigismember(&raw const pending, libc::SIGPIPE) == 1 }
}

/// Blocks the signal on a thread of ours, for as long as the thread lives.
pub(crate) fn block_for_good() {
    block();
}

/// The signal is blocked on a thread of the caller's until this is dropped there.
pub(crate) struct Blocked {
    before: libc::sigset_t,
    was_pending: bool,
    _of_this_thread: PhantomData<*const ()>,
}

impl Blocked {
    pub(crate) fn here() -> Self {
        let before = block();
        Self { before, was_pending: is_pending(), _of_this_thread: PhantomData }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        let set = sigpipe();
        let at_once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // A signal that was not pending before is ours: take it, or it would be delivered below.
        while !self.was_pending && is_pending() {
            // SAFETY: the pointers point to an initialised set and a time; the signal's information is not wanted.
            unsafe { libc::sigtimedwait(&raw const set, ptr::null_mut(), &raw const at_once) };
        }
        // SAFETY: the pointer points to the set that `block` returned; the set before is not wanted.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, ptr::null_mut()) };
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd as _;

    use super::*;

    #[test]
    fn a_broken_connection_is_an_error_and_its_signal_is_taken_while_one_from_before_stays() {
        // A Rust program ignores the signal from its start; a C program does not.
        // SAFETY: the default action is a valid one.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        let write = || {
            let (left, right) = std::os::unix::net::UnixStream::pair().unwrap();
            drop(right);
            let piece = libc::iovec { iov_base: c"x".as_ptr().cast_mut().cast(), iov_len: 1 };
            // SAFETY: the descriptor is open, and the one piece is readable.
            assert_eq!(unsafe { libc::writev(left.as_raw_fd(), &raw const piece, 1) }, -1);
        };
        {
            let _blocked = Blocked::here();
            write();
            assert!(is_pending());
        }
        assert!(!is_pending());
        let outer = Blocked::here();
        write();
        {
            let _blocked = Blocked::here();
            write();
        }
        assert!(is_pending(), "the caller's own signal is not ours to take");
        drop(outer);
        assert!(!is_pending());
    }
}
