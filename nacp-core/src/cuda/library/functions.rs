//! The functions of the driver that NACP knows, each with the signature of `cuda.h` and the CUDA version that brought
//! it. Every return code is a raw number: an enumeration could not hold those of a newer driver.

use std::ffi::{c_char, c_int, c_uint, c_void};

use super::Need;
use super::manifest::Symbol;
use super::open::{Opened, find};
use super::registry::Raw;
use crate::cuda::Version;

/// An address in the space of a device (`CUdeviceptr`).
pub(super) type Address = usize;

/// Declares the functions: needed for what, under which names (the first that is there is taken), since when.
macro_rules! functions {
    ($($need:ident { $($field:ident($($argument:ty),*) = $($name:literal ($major:literal, $minor:literal))|+;)+ })+) => {
        /// What was looked up; none where the library does not export it.
        pub(super) struct Functions {
            $($(pub(super) $field: Option<unsafe extern "system" fn($($argument),*) -> c_int>,)+)+
        }

        impl Functions {
            /// Looks all of them up, and tells what was found.
            pub(super) fn look_up(library: &Opened) -> (Self, Vec<Symbol>) {
                let mut symbols = Vec::new();
                let functions = Self {
                    $($($field: {
                        let names = [$(($name, Version { major: $major, minor: $minor })),+];
                        let (found, symbol) = look_up(library, Need::$need, &names);
                        symbols.push(symbol);
                        found
                    },)+)+
                };
                (functions, symbols)
            }
        }

        /// All of them, by the oldest of their names, as a library that has none.
        pub(super) fn known() -> Vec<Symbol> {
            vec![$($(oldest(Need::$need, &[$(($name, Version { major: $major, minor: $minor })),+]),)+)+]
        }
    };
}

/// The function under the first of its names that is there; the oldest name stands for one that is not.
fn look_up<F: Copy>(library: &Opened, need: Need, names: &[(&'static str, Version)]) -> (Option<F>, Symbol) {
    let found = names.iter().find_map(|(name, since)| Some((find(library, name)?, *name, *since)));
    match found {
        Some((function, name, since)) => (Some(function), Symbol { name, since, need, present: true }),
        None => (None, oldest(need, names)),
    }
}

fn oldest(need: Need, names: &[(&'static str, Version)]) -> Symbol {
    let (name, since) =
        names.iter().copied().min_by_key(|(_, since)| *since).unwrap_or(("", Version { major: 0, minor: 0 }));
    Symbol { name, since, need, present: false }
}

// The versions are those of the names `PFN_<function>_v<version>` in CUDA's cudaTypedefs.h.
functions! {
    Probe {
        init(c_uint) = "cuInit" (2, 0);
        version(*mut c_int) = "cuDriverGetVersion" (2, 2);
        device_count(*mut c_int) = "cuDeviceGetCount" (2, 0);
        device(*mut c_int, c_int) = "cuDeviceGet" (2, 0);
        name(*mut c_char, c_int, c_int) = "cuDeviceGetName" (2, 0);
        uuid(*mut [u8; 16], c_int) = "cuDeviceGetUuid_v2" (11, 4) | "cuDeviceGetUuid" (9, 2);
        total_memory(*mut usize, c_int) = "cuDeviceTotalMem_v2" (3, 2);
        attribute(*mut c_int, c_int, c_int) = "cuDeviceGetAttribute" (2, 0);
        pci(*mut c_char, c_int, c_int) = "cuDeviceGetPCIBusId" (4, 1);
    }
    Text {
        error_name(c_int, *mut *const c_char) = "cuGetErrorName" (6, 0);
        error_text(c_int, *mut *const c_char) = "cuGetErrorString" (6, 0);
    }
    Context {
        primary_retain(*mut Raw, c_int) = "cuDevicePrimaryCtxRetain" (7, 0);
        primary_release(c_int) = "cuDevicePrimaryCtxRelease_v2" (11, 0);
        primary_state(c_int, *mut c_uint, *mut c_int) = "cuDevicePrimaryCtxGetState" (7, 0);
        context_create(*mut Raw, c_uint, c_int) = "cuCtxCreate_v2" (3, 2);
        context_destroy(Raw) = "cuCtxDestroy_v2" (4, 0);
        context_push(Raw) = "cuCtxPushCurrent_v2" (4, 0);
        context_pop(*mut Raw) = "cuCtxPopCurrent_v2" (4, 0);
        context_set(Raw) = "cuCtxSetCurrent" (4, 0);
        context_get(*mut Raw) = "cuCtxGetCurrent" (4, 0);
        context_synchronize() = "cuCtxSynchronize" (2, 0);
    }
    Memory {
        memory_info(*mut usize, *mut usize) = "cuMemGetInfo_v2" (3, 2);
        allocate(*mut Address, usize) = "cuMemAlloc_v2" (3, 2);
        free(Address) = "cuMemFree_v2" (3, 2);
        allocate_pinned(*mut *mut c_void, usize, c_uint) = "cuMemHostAlloc" (2, 2);
        free_pinned(*mut c_void) = "cuMemFreeHost" (2, 0);
        upload(Address, *const c_void, usize, Raw) = "cuMemcpyHtoDAsync_v2" (3, 2);
        download(*mut c_void, Address, usize, Raw) = "cuMemcpyDtoHAsync_v2" (3, 2);
        copy(Address, Address, usize, Raw) = "cuMemcpyDtoDAsync_v2" (3, 2);
        fill(Address, c_uint, usize, Raw) = "cuMemsetD32Async" (3, 2);
    }
    Module {
        module_load(*mut Raw, *const c_void, c_uint, *mut c_int, *mut *mut c_void) = "cuModuleLoadDataEx" (2, 1);
        module_unload(Raw) = "cuModuleUnload" (2, 0);
        module_function(*mut Raw, Raw, *const c_char) = "cuModuleGetFunction" (2, 0);
        launch(
            Raw, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, Raw, *mut *mut c_void, *mut *mut c_void
        ) = "cuLaunchKernel" (4, 0);
    }
    Stream {
        stream_create(*mut Raw, c_uint, c_int) = "cuStreamCreateWithPriority" (5, 5);
        stream_destroy(Raw) = "cuStreamDestroy_v2" (4, 0);
        stream_synchronize(Raw) = "cuStreamSynchronize" (2, 0);
        stream_query(Raw) = "cuStreamQuery" (2, 0);
        stream_priority(Raw, *mut c_int) = "cuStreamGetPriority" (5, 5);
        priorities(*mut c_int, *mut c_int) = "cuCtxGetStreamPriorityRange" (5, 5);
    }
    Event {
        event_create(*mut Raw, c_uint) = "cuEventCreate" (2, 0);
        event_destroy(Raw) = "cuEventDestroy_v2" (4, 0);
        event_record(Raw, Raw) = "cuEventRecord" (2, 0);
        event_synchronize(Raw) = "cuEventSynchronize" (2, 0);
        event_elapsed(*mut f32, Raw, Raw) = "cuEventElapsedTime" (2, 0) | "cuEventElapsedTime_v2" (12, 8);
    }
    Graph {
        capture_begin(Raw, c_uint) = "cuStreamBeginCapture_v2" (10, 1);
        capture_status(Raw, *mut c_int) = "cuStreamIsCapturing" (10, 0);
        capture_end(Raw, *mut Raw) = "cuStreamEndCapture" (10, 0);
        graph_instantiate(*mut Raw, Raw, u64) = "cuGraphInstantiateWithFlags" (11, 4);
        graph_destroy(Raw) = "cuGraphDestroy" (10, 0);
        graph_launch(Raw, Raw) = "cuGraphLaunch" (10, 0);
        graph_exec_destroy(Raw) = "cuGraphExecDestroy" (10, 0);
    }
    Peer {
        can_access_peer(*mut c_int, c_int, c_int) = "cuDeviceCanAccessPeer" (4, 0);
        enable_peer(Raw, c_uint) = "cuCtxEnablePeerAccess" (4, 0);
        copy_peer(Address, Raw, Address, Raw, usize, Raw) = "cuMemcpyPeerAsync" (4, 0);
    }
}
