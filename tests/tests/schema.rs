//! The committed code is what `flatc` makes of the schemas.

use std::process::Command;

use cdoc2_tests::program::folder;

#[test]
fn generated_code_is_up_to_date() {
    let status = Command::new(folder().join("schema/regenerate")).arg("--check").status().unwrap();
    assert!(status.success());
}
