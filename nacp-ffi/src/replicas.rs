//! The replicas of an app.

use std::ffi::c_char;
use std::mem::offset_of;

use nacp_core::control::AppStatus;
use nacp_core::gpu::GpuId;
use nacp_core::{Error, ErrorKind};

use crate::error::nacp_error;
use crate::ffi::{Entry, Versioned, answer};
use crate::panic;
use crate::status::nacp_status;
use crate::text::Texts;

/// The replicas of an app at one moment, ordered by service and number.
///
/// Threads: functions that take `const nacp_replicas *` may be called by several threads at once; nacp_replicas_free by
/// one.
#[derive(Debug)]
pub struct nacp_replicas {
    ready: bool,
    replicas: Vec<nacp_replica>,
    _texts: Texts,
}

/// One replica. Its texts live as long as the nacp_replicas.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct nacp_replica {
    /// sizeof(nacp_replica); NACP_REPLICA_INIT sets it.
    pub struct_size: u32,
    /// The replica's number, from 0.
    pub replica: u32,
    /// 1 when it runs and answers its probe, else 0.
    pub ready: u32,
    /// Always 0.
    pub reserved: u32,
    /// Bytes of memory promised to it on each of its GPUs.
    pub memory: u64,
    /// The service.
    pub service: *const c_char,
    /// The name of its container.
    pub name: *const c_char,
    /// The image.
    pub image: *const c_char,
    /// The model that it serves; NULL when the service names none.
    pub model: *const c_char,
    /// What its container is doing, such as "running" or "exited (1)".
    pub state: *const c_char,
    /// Where it answers, as "127.0.0.1:8000"; NULL when it does not.
    pub address: *const c_char,
    /// The UUIDs of its GPUs, separated by commas; empty for none.
    pub gpus: *const c_char,
    /// How the GPUs got into the container; NULL when it has none.
    pub gpu_injection: *const c_char,
}

// SAFETY: the struct is `repr(C)`, begins with its size, and consists of numbers and pointers.
unsafe impl Versioned for nacp_replica {
    const FIRST: usize = offset_of!(Self, gpu_injection) + size_of::<*const c_char>();
}

impl From<&AppStatus> for nacp_replicas {
    fn from(status: &AppStatus) -> Self {
        let mut texts = Texts::default();
        let replicas = status.replicas.iter().map(|replica| {
            let gpus: Vec<_> = replica.gpus.iter().map(GpuId::as_str).collect();
            nacp_replica {
                struct_size: 0,
                replica: replica.replica,
                ready: u32::from(replica.ready),
                reserved: 0,
                memory: replica.memory.0,
                service: texts.lend(&replica.service),
                name: texts.lend(&replica.name),
                image: texts.lend(&replica.image),
                model: texts.lend_some(replica.model.as_ref()),
                state: texts.lend(replica.state.to_string()),
                address: texts.lend_some(replica.address.map(|address| address.to_string())),
                gpus: texts.lend(gpus.join(",")),
                gpu_injection: texts.lend_some(replica.gpu_injection.as_ref()),
            }
        });
        Self { ready: status.ready(), replicas: replicas.collect(), _texts: texts }
    }
}

/// The number of replicas that are there; 0 for NULL.
///
/// @param replicas the replicas
#[unsafe(no_mangle)]
pub extern "C" fn nacp_replicas_count(replicas: Option<&nacp_replicas>) -> usize {
    answer(replicas, 0, |held| held.replicas.len())
}

/// Whether there are replicas and all of them are ready: 1 or 0; 0 for NULL.
///
/// @param replicas the replicas
#[unsafe(no_mangle)]
pub extern "C" fn nacp_replicas_ready(replicas: Option<&nacp_replicas>) -> u32 {
    answer(replicas, 0, |held| u32::from(held.ready))
}

/// Tells one replica.
///
/// @param replicas the replicas
/// @param index which, from 0 to nacp_replicas_count - 1
/// @param[out] replica a struct that NACP_REPLICA_INIT has initialised
/// @param[out] error what went wrong; NULL if the caller does not care
/// @return NACP_E_NOT_FOUND when there is no such index
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nacp_replicas_at(
    replicas: *const nacp_replicas,
    index: usize,
    replica: *mut nacp_replica,
    error: *mut nacp_error,
) -> nacp_status {
    // SAFETY: the caller keeps the header's rules for pointers.
    let entry = unsafe { Entry::new("nacp_replicas_at", error) };
    let replica = entry.out_struct(replica, "replica");
    entry.run(|call| {
        let held = &call.shared(replicas, "replicas")?.replicas;
        let out = call.out_struct(replica)?;
        out.fill(held.get(index).ok_or_else(|| {
            Error::new(ErrorKind::NotFound, call.operation, "there is no replica of this index")
                .with("index", index)
                .with("count", held.len())
        })?);
        Ok(())
    })
}

/// Frees replicas and their texts; what runs goes on running.
///
/// @param replicas the replicas; NULL does nothing
#[unsafe(no_mangle)]
pub extern "C" fn nacp_replicas_free(replicas: Option<Box<nacp_replicas>>) {
    panic::quiet(|| drop(replicas));
}
