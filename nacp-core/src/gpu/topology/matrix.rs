//! The topology as a table, as `nvidia-smi topo -m` prints it.

use std::fmt;

use serde::Serialize;

use super::{Place, Topology};
use crate::gpu::{GpuId, Reading};

/// What stands where a value is not known, as in `nvidia-smi`.
const NOT_KNOWN: &str = "N/A";

/// One GPU's row of the matrix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Row {
    /// Which GPU.
    pub gpu: GpuId,
    /// Its name in the table: `GPU0`.
    pub name: String,
    /// What lies between it and each GPU, in the driver's order: `X` for itself, `NV12`, `PIX`, `SYS` …; `?` for what is
    /// not known, `NV?` for NVLinks of an unknown number.
    pub cells: Vec<String>,
    /// The processors near it, as ranges: `0-23,48-71`.
    pub cpus: String,
    /// The NUMA nodes near it, as ranges.
    pub numa: String,
    /// The NUMA node of its own memory.
    pub gpu_numa: String,
}

impl Topology {
    /// The topology as rows of a table.
    pub fn matrix(&self) -> Vec<Row> {
        let row = |(at, place): (usize, &Place)| Row {
            gpu: place.gpu.clone(),
            name: format!("GPU{}", place.index),
            cells: (0..self.places.len())
                .map(|other| self.at(at, other).map_or_else(|| "X".to_owned(), ToString::to_string))
                .collect(),
            cpus: list(&place.affinity.cpus),
            numa: list(&place.affinity.memory_nodes),
            gpu_numa: place.affinity.numa_node.known().map_or_else(|| NOT_KNOWN.to_owned(), u32::to_string),
        };
        self.places.iter().enumerate().map(row).collect()
    }
}

impl fmt::Display for Topology {
    /// The matrix with its head; nothing where there is no GPU.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.matrix();
        if rows.is_empty() {
            return Ok(());
        }
        let head = std::iter::once(String::new())
            .chain(rows.iter().map(|row| row.name.clone()))
            .chain(["CPU Affinity", "NUMA Affinity", "GPU NUMA ID"].map(str::to_owned));
        let body = rows.iter().map(|row| {
            let mut cells = vec![row.name.clone()];
            cells.extend(row.cells.iter().cloned());
            cells.extend([&row.cpus, &row.numa, &row.gpu_numa].map(Clone::clone));
            cells
        });
        let table: Vec<Vec<String>> = std::iter::once(head.collect()).chain(body).collect();
        let columns = table.first().map_or(0, Vec::len);
        let width = |column: usize| table.iter().map(|cells| cells[column].len()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for cells in &table {
            let line: String = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}  ")).collect();
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

fn list(numbers: &Reading<Vec<u32>>) -> String {
    let ranges = numbers.known().map(|numbers| ranges(numbers)).unwrap_or_default();
    if ranges.is_empty() { NOT_KNOWN.to_owned() } else { ranges }
}

/// Ascending numbers as ranges.
fn ranges(numbers: &[u32]) -> String {
    let mut spans: Vec<(u32, u32)> = Vec::new();
    for &number in numbers {
        match spans.last_mut() {
            Some((_, end)) if end.checked_add(1) == Some(number) => *end = number,
            _ => spans.push((number, number)),
        }
    }
    let spans =
        spans.iter().map(|(start, end)| if start == end { start.to_string() } else { format!("{start}-{end}") });
    spans.collect::<Vec<_>>().join(",")
}
