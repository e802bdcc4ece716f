//! What an imported service lacks, as a merge patch (RFC 7396): the form of `x-nacp`.

use serde_json::{Map, Value};

/// Applies a patch: mappings are merged, `null` takes away, everything else replaces.
pub(super) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(fields) = target else { return };
    for (key, change) in changes {
        if change.is_null() {
            fields.remove(key);
        } else {
            merge(fields.entry(key.clone()).or_insert(Value::Null), change);
        }
    }
}

/// The patch that makes one value of another; nothing where they are the same. Lists are compared as a whole.
pub(super) fn difference(from: &Value, to: &Value) -> Option<Value> {
    if from == to {
        return None;
    }
    let (Value::Object(old), Value::Object(new)) = (from, to) else { return Some(to.clone()) };
    let gone = old.keys().filter(|key| !new.contains_key(*key)).map(|key| (key.clone(), Value::Null));
    let mut changes: Map<String, Value> = gone.collect();
    for (key, value) in new {
        let change = match old.get(key) {
            Some(before) => difference(before, value),
            None => Some(value.clone()),
        };
        if let Some(change) = change {
            changes.insert(key.clone(), change);
        }
    }
    Some(Value::Object(changes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            (0..3i64).prop_map(Value::from),
            "[ab]".prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[abc]", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_difference_leads_from_one_to_the_other(from in value(), to in value()) {
            let mut patched = from.clone();
            if let Some(patch) = difference(&from, &to) {
                merge(&mut patched, &patch);
            }
            prop_assert_eq!(patched, to);
        }
    }

    #[test]
    fn a_patch_changes_what_it_names() {
        let mut value = json!({"gpu": {"memory": "auto", "count": 2}, "port": 80, "command": ["a", "b"]});
        merge(&mut value, &json!({"gpu": {"memory": "3GiB"}, "port": null, "command": ["c"]}));
        assert_eq!(value, json!({"gpu": {"memory": "3GiB", "count": 2}, "command": ["c"]}));
    }
}
