//! Products of matrices against the sum that defines them.

use half::f16;

use super::bench::{BASE, Bench, text};
use crate::ptx::Program;

/// A number of the sequence that fills the matrices: small and whole, so that every sum is exact.
fn entry(number: usize) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "it is below 32")]
    let value = (number.wrapping_mul(2_654_435_761) >> 7 & 31) as f32;
    value - 15.0
}

/// The product of 16 rows, `depth` between, and 8 columns, as the lanes of a warp compute it.
fn computed(depth: usize, a: &[Vec<f32>], b: &[Vec<f32>], c: &[Vec<f32>]) -> Vec<Vec<u32>> {
    let halves = depth / 8;
    let bench = Bench::new(32 * 64, 32);
    let pack =
        |low: f32, high: f32| u32::from(f16::from_f32(high).to_bits()) << 16 | u32::from(f16::from_f32(low).to_bits());
    for lane in 0..32 {
        let (g, t) = (lane / 4, lane % 4);
        let mut words = [0; 16];
        for half in 0..halves {
            let k = 8 * half + 2 * t;
            words[2 * half] = pack(a[g][k], a[g][k + 1]);
            words[2 * half + 1] = pack(a[g + 8][k], a[g + 8][k + 1]);
            words[4 + half] = pack(b[k][g], b[k + 1][g]);
        }
        for (number, word) in words[8..12].iter_mut().enumerate() {
            *word = c[g + 8 * (number / 2)][2 * t + number % 2].to_bits();
        }
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        bench.put(64 * lane, &bytes);
    }
    let (left, right) = if halves == 1 { ("%r1,%r2", "%r5") } else { ("%r1,%r2,%r3,%r4", "%r5,%r6") };
    let body = format!(
        "mov.u32 %r0, %tid.x; mul.wide.u32 %d1, %r0, 64; add.u64 %d1, %d0, %d1;
             ld.global.v4.b32 {{%r1,%r2,%r3,%r4}}, [%d1]; ld.global.v2.b32 {{%r5,%r6}}, [%d1+16];
             ld.global.v4.f32 {{%f1,%f2,%f3,%f4}}, [%d1+32];
             mma.sync.aligned.m16n8k{depth}.row.col.f32.f16.f16.f32 {{%f5,%f6,%f7,%f8}}, {{{left}}}, {{{right}}},
                 {{%f1,%f2,%f3,%f4}};
             st.global.v4.f32 [%d1+48], {{%f5,%f6,%f7,%f8}};"
    );
    let text = text(&body).replace(".version 6.5", ".version 7.0").replace("sm_75", "sm_80");
    bench.launch(&Program::parse(&text).unwrap(), "k", &BASE.to_le_bytes()).unwrap();
    let words = bench.words();
    let mut found = vec![vec![0; 8]; 16];
    for lane in 0..32 {
        for number in 0..4 {
            found[lane / 4 + 8 * (number / 2)][2 * (lane % 4) + number % 2] = words[16 * lane + 12 + number];
        }
    }
    found
}

#[test]
fn a_product_is_the_sum_over_what_lies_between() {
    for depth in [8, 16] {
        let matrix = |rows: usize, columns: usize, from: usize| -> Vec<Vec<f32>> {
            (0..rows).map(|row| (0..columns).map(|column| entry(from + row * columns + column)).collect()).collect()
        };
        let (a, b, c) = (matrix(16, depth, 0), matrix(depth, 8, 1000), matrix(16, 8, 2000));
        let found = computed(depth, &a, &b, &c);
        for (row, found) in found.iter().enumerate() {
            for (column, found) in found.iter().enumerate() {
                let expected = (0..depth).map(|k| a[row][k] * b[k][column]).sum::<f32>() + c[row][column];
                assert_eq!(*found, expected.to_bits(), "depth {depth} row {row} column {column}");
            }
        }
    }
}

#[test]
fn each_element_of_a_matrix_stands_where_the_language_says() {
    // One element of each factor is not zero: only one element of the product may be.
    for (row, between, column) in [(0, 0, 0), (15, 7, 7), (3, 5, 2), (9, 2, 6)] {
        let mut a = vec![vec![0.0; 8]; 16];
        let mut b = vec![vec![0.0; 8]; 8];
        a[row][between] = 3.0;
        b[between][column] = 5.0;
        let found = computed(8, &a, &b, &vec![vec![0.0; 8]; 16]);
        for (at, found) in found.iter().flatten().enumerate() {
            let expected = if at == 8 * row + column { 15.0_f32 } else { 0.0 };
            assert_eq!(*found, expected.to_bits(), "{at}");
        }
    }
}
