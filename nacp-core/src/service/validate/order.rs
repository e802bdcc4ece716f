//! The order in which services start.

use std::collections::BTreeMap;

use super::invalid;
use crate::error::Result;
use crate::service::App;

/// Depth first, by name, so that the order is the same at every start. The services on the way down are kept here and
/// not on the call stack, which a long chain would overflow.
pub(in super::super) fn start_order(app: &App) -> Result<Vec<&str>> {
    let mut order = Vec::with_capacity(app.services.len());
    let mut state = BTreeMap::new();
    for (name, service) in &app.services {
        if state.contains_key(name) {
            continue;
        }
        state.insert(name, Visit::Open);
        let mut open = vec![(name, service.depends_on.names())];
        while let Some((name, needs)) = open.last_mut() {
            let Some(wanted) = needs.next() else {
                state.insert(name, Visit::Done);
                order.push(name.as_str());
                open.pop();
                continue;
            };
            let Some((wanted, service)) = app.services.get_key_value(wanted) else { continue };
            match state.get(wanted) {
                Some(Visit::Done) => {}
                Some(Visit::Open) => {
                    let start = open.iter().position(|(name, _)| *name == wanted).unwrap_or_default();
                    let circle = open[start..].iter().map(|(name, _)| name.as_str()).chain([wanted.as_str()]);
                    return Err(invalid(&format!("services.{wanted}.depends_on"), "the dependencies form a circle")
                        .with("circle", circle.collect::<Vec<_>>().join(" -> "))
                        .hint("remove one of these dependencies"));
                }
                None => {
                    state.insert(wanted, Visit::Open);
                    open.push((wanted, service.depends_on.names()));
                }
            }
        }
    }
    Ok(order)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Visit {
    Open,
    Done,
}
