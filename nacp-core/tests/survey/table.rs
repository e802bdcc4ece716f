#[test]
fn show() {
    for name in super::machines() {
        let survey = super::survey(&name);
        println!("### {name}\n{}", serde_json::to_string_pretty(&survey).unwrap());
    }
}
