//! The node that a control plane is made with: the simulation tells it of its GPUs by another way.

use std::sync::Arc;

use nacp_core::Result;
use nacp_core::gpu::{Fields, Gpu, Node, Origin, Sample, Source};

#[derive(Debug)]
struct Empty(Origin);

impl Source for Empty {
    fn origin(&self) -> &Origin {
        &self.0
    }

    fn inventory(&self) -> Result<Vec<Gpu>> {
        Ok(Vec::new())
    }

    fn sample(&self, _: Fields, _: &mut Vec<Sample>) -> Result<()> {
        Ok(())
    }
}

pub(crate) fn empty() -> Node {
    let origin = Origin { simulated: true, name: "simulation".to_owned(), driver: None, cuda: None };
    Node::from_source(Arc::new(Empty(origin))).unwrap()
}
