//! Apps as text: whether they are valid, and compose files in and out.

use std::ffi::c_char;

use nacp_core::service::compose::{self, Import};
use nacp_core::service::{self, App, Warning};
use serde::Serialize;

use crate::error::nacp_error;
use crate::ffi::Entry;
use crate::status::nacp_status;
use crate::string::{json, nacp_string};

/// A valid app, and what is worth a second look in it.
#[derive(Serialize)]
struct Checked {
    app: App,
    warnings: Vec<Warning>,
}

/// Checks an app and tells its normal form, defaults filled in or left out, memory in bytes, and what is valid and worth a
/// second look.
///
/// @param app the app as YAML or JSON text
/// @param[out] json {"app": the app in its normal form, "warnings": [{"field", "message"}]}, freed by nacp_string_free
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_INVALID_ARGUMENT for an app that is not valid, with line and column and the nearest field
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_app_check_json(
    app: *const c_char,
    json: *mut nacp_string,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_app_check_json", error) };
    let json = entry.out(json, "json", nacp_string::NONE);
    entry.run(|call| {
        let app = App::parse(call.text(app, "app")?)?;
        let warnings = app.warnings();
        let out = call.out(json)?;
        out.set(self::json(&Checked { app, warnings })?);
        Ok(())
    })
}

/// Tells the JSON Schema (draft 7) of an app, for editors and for checks without NACP.
///
/// @param[out] json the schema, freed by nacp_string_free
/// @param[out] error what went wrong; NULL if the caller does not care
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_app_schema_json(json: *mut nacp_string, error: *mut nacp_error) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_app_schema_json", error) };
    let json = entry.out(json, "json", nacp_string::NONE);
    entry.run(|call| {
        let out = call.out(json)?;
        out.set(self::json(&service::schema())?);
        Ok(())
    })
}

/// Reads a Docker Compose file as an app. Neither files nor the environment are read: its variables take what stands in
/// their place in the file, and `env_file` is left out with a note.
///
/// @param text the compose file
/// @param name the app's name; NULL for that in the file, or of the folder
/// @param folder the folder, from the root, from which the paths in the file count; NULL if it is not known
/// @param[out] json {"app": the app in its normal form, "notes": [{"kind", "field", "line", "column", "message"}]}, freed
///             by nacp_string_free
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_INVALID_ARGUMENT for what is no compose file or cannot be imported, with line and column
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_compose_import_json(
    text: *const c_char,
    name: *const c_char,
    folder: *const c_char,
    json: *mut nacp_string,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_compose_import_json", error) };
    let json = entry.out(json, "json", nacp_string::NONE);
    entry.run(|call| {
        let mut import = Import::new(call.text(text, "text")?);
        if let Some(name) = call.optional_text(name, "name")? {
            import = import.name(name);
        }
        if let Some(folder) = call.optional_text(folder, "folder")? {
            import = import.folder(folder);
        }
        let out = call.out(json)?;
        out.set(self::json(&import.run()?)?);
        Ok(())
    })
}

/// Writes an app as a Docker Compose file. What Compose cannot say stands in `x-nacp` of the services, and
/// nacp_compose_import_json gives the same app again.
///
/// @param app the app as YAML or JSON text
/// @param[out] json {"text": the compose file, "notes": [{"kind", "field", "message"}]}, freed by nacp_string_free
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_INVALID_ARGUMENT for an app that is not valid, with line and column
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_compose_export_json(
    app: *const c_char,
    json: *mut nacp_string,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_compose_export_json", error) };
    let json = entry.out(json, "json", nacp_string::NONE);
    entry.run(|call| {
        let app = App::parse(call.text(app, "app")?)?;
        let out = call.out(json)?;
        out.set(self::json(&compose::export(&app)?)?);
        Ok(())
    })
}
