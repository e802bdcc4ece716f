//! What proves that a device repeats.

use std::ffi::c_char;

use nacp_core::cuda::Certificate;

use crate::error::nacp_error;
use crate::ffi::Entry;
use crate::status::nacp_status;
use crate::string::{json, nacp_string};

/// Computes anew what a certificate says, on the CPU, and tells for each part whether it holds.
///
/// @param certificate the certificate as JSON, from the `certificates` of nacp_report_json
/// @param[out] verification what holds and what does not, as JSON, freed by nacp_string_free
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_INVALID_ARGUMENT for what is no certificate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_certificate_verify_json(
    certificate: *const c_char,
    verification: *mut nacp_string,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_certificate_verify_json", error) };
    let verification = entry.out(verification, "verification", nacp_string::NONE);
    entry.run(|call| {
        let certificate = Certificate::parse(call.text(certificate, "certificate")?)?;
        call.out(verification)?.set(json(&certificate.verify())?);
        Ok(())
    })
}

/// Compares two certificates, and tells the reason for each difference.
///
/// @param one a certificate as JSON
/// @param other another one
/// @param[out] comparison what is the same, what differs and why, as JSON, freed by nacp_string_free
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_INVALID_ARGUMENT for what is no certificate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_certificate_compare_json(
    one: *const c_char,
    other: *const c_char,
    comparison: *mut nacp_string,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_certificate_compare_json", error) };
    let comparison = entry.out(comparison, "comparison", nacp_string::NONE);
    entry.run(|call| {
        let one = Certificate::parse(call.text(one, "one")?)?;
        let other = Certificate::parse(call.text(other, "other")?)?;
        call.out(comparison)?.set(json(&nacp_core::cuda::determinism::compare(&one, &other))?);
        Ok(())
    })
}
