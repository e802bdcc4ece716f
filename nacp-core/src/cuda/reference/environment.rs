//! Whether this CPU rounds as IEEE 754 asks, which the reference builds on.
//!
//! A library that was compiled with `-ffast-math` may set the flush of subnormal numbers to zero when it is loaded, for
//! the thread that loads it and for all threads that are started from it; and a program may set another rounding. Then
//! the CPU gives other bits than a device that is in order, and must not accuse it.

use std::hint::black_box;

use crate::error::{Error, ErrorKind, Result};

/// Whether floating-point numbers of 32 and 64 bits are computed as IEEE 754 asks: subnormal numbers are kept, and
/// results are rounded to the nearest, ties to even. Looks at the calling thread and at a fresh one, as the reference
/// computes on both.
///
/// # Errors
/// [`Unsupported`](ErrorKind::Unsupported), with what is not so and in which thread.
pub fn float_environment() -> Result<()> {
    judge("calling", look())?;
    // A thread that cannot be started computes nothing either: the reference then works on the calling one.
    let fresh = std::thread::Builder::new().name("nacp-float".into()).spawn(look);
    match fresh.map(std::thread::JoinHandle::join) {
        Ok(Ok(found)) => judge("fresh", found),
        _ => Ok(()),
    }
}

fn judge(thread: &'static str, found: Option<&'static str>) -> Result<()> {
    let Some(what) = found else { return Ok(()) };
    let error = Error::new(ErrorKind::Unsupported, "cuda.reference", "this CPU does not round as IEEE 754 asks")
        .with("what", what)
        .with("thread", thread);
    Err(error.hint(
        "a library of this process was compiled with -ffast-math, or another rounding is set; check in a child process \
         (isolate=True)",
    ))
}

/// What is not as IEEE 754 asks on this thread; none where all is.
fn look() -> Option<&'static str> {
    let narrow = |bits| black_box(f32::from_bits(bits));
    let wide = |bits| black_box(f64::from_bits(bits));
    // One unit above 1, half of one, and the smallest subnormal and normal numbers.
    let (one, half) = (narrow(0x3f80_0000), narrow(0x3380_0000));
    let (wide_one, wide_half) = (wide(0x3ff0_0000_0000_0000), wide(0x3ca0_0000_0000_0000));
    let wrong = [
        // Subnormal numbers go in, or come out.
        ((narrow(1) + narrow(1)).to_bits() != 2, "f32: subnormal numbers are taken for zero"),
        ((narrow(0x0080_0000) * narrow(0x3f00_0000)).to_bits() != 0x0040_0000, "f32: subnormal results become zero"),
        ((wide(1) + wide(1)).to_bits() != 2, "f64: subnormal numbers are taken for zero"),
        (
            (wide(0x0010_0000_0000_0000) * wide(0x3fe0_0000_0000_0000)).to_bits() != 0x0008_0000_0000_0000,
            "f64: subnormal results become zero",
        ),
        // A tie goes down to the even number, and up to the even number; below zero as above.
        ((one + half).to_bits() != 0x3f80_0000, "f32: a tie is not rounded to even"),
        ((narrow(0x3f80_0001) + half).to_bits() != 0x3f80_0002, "f32: a tie is not rounded to even"),
        ((-one - half).to_bits() != 0xbf80_0000, "f32: a tie is not rounded to even"),
        ((wide_one + wide_half).to_bits() != 0x3ff0_0000_0000_0000, "f64: a tie is not rounded to even"),
        (
            (wide(0x3ff0_0000_0000_0001) + wide_half).to_bits() != 0x3ff0_0000_0000_0002,
            "f64: a tie is not rounded to even",
        ),
        ((-wide_one - wide_half).to_bits() != 0xbff0_0000_0000_0000, "f64: a tie is not rounded to even"),
        // (1 + u)^2 - (1 + 2u) is u^2, which only a product that was not rounded before holds.
        (
            narrow(0x3f80_0001).mul_add(narrow(0x3f80_0001), -narrow(0x3f80_0002)).to_bits() != 0x2880_0000,
            "f32: a multiply-add rounds twice",
        ),
        (
            wide(0x3ff0_0000_0000_0001).mul_add(wide(0x3ff0_0000_0000_0001), -wide(0x3ff0_0000_0000_0002)).to_bits()
                != 0x3970_0000_0000_0000,
            "f64: a multiply-add rounds twice",
        ),
    ];
    wrong.into_iter().find_map(|(wrong, what)| wrong.then_some(what))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Runs a test once more in a process whose threads all flush subnormal numbers to zero, as a library of
    /// `-ffast-math` leaves them. True in that process.
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    pub(crate) fn in_fast_math(test: &str) -> bool {
        use std::process::Command;

        const CHILD: &str = "NACP_TEST_FAST_MATH";
        if std::env::var_os(CHILD).is_some() {
            return true;
        }
        let folder = tempfile::tempdir().unwrap();
        let (source, library) = (folder.path().join("fast.c"), folder.path().join("libfast.so"));
        // What crtfastmath.o does, which a compiler links into a library of -ffast-math (GCC before 13).
        let text = "__attribute__((constructor)) static void fast(void) {\n\
                    __builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() | 0x8040);\n}\n";
        std::fs::write(&source, text).unwrap();
        let compiled = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status();
        assert!(compiled.is_ok_and(|status| status.success()), "these tests need a C compiler, as linking does");
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test])
            .env(CHILD, "1")
            .env("LD_PRELOAD", &library)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success() && told.contains("1 passed"), "{told}");
        false
    }

    #[test]
    fn a_plain_process_rounds_as_ieee_754_asks() {
        float_environment().unwrap();
    }

    #[test]
    fn what_is_wrong_is_named_with_its_thread_and_remedy() {
        let error = judge("fresh", Some("f32: subnormal numbers are taken for zero")).unwrap_err();
        assert_eq!((error.kind(), error.get("thread")), (ErrorKind::Unsupported, Some("fresh")));
        assert!(error.to_string().contains("isolate=True"), "{error}");
    }

    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    #[test]
    fn a_library_of_fast_math_is_found_out() {
        if in_fast_math("cuda::reference::environment::tests::a_library_of_fast_math_is_found_out") {
            let error = float_environment().unwrap_err();
            assert_eq!(error.get("what"), Some("f32: subnormal numbers are taken for zero"));
        }
    }
}
