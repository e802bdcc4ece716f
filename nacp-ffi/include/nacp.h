/**
 * @file nacp.h
 * NACP, the NVIDIA AI Control Plane, as a C library.
 *
 * Where to begin. nacp_ctx_new makes the context from which everything else comes, nacp_discover finds the GPUs. From the
 * node come its numbers, topology, events, telemetry and health; from the context plans, apps, routers, gateways and
 * metrics. The functions stand at the end, under a heading for each of these.
 *
 * Errors. A function that can fail returns a nacp_status and fills the nacp_error that the caller gives; NULL is allowed
 * there. Nothing is kept in the library between calls.
 *
 * Ownership. What a function gives through an `[out]` handle or a nacp_string belongs to the caller, who frees it with the
 * function named there. Freeing NULL does nothing. A `const char *` that a function returns or puts into a struct is
 * borrowed: its documentation says for how long. On failure an `[out]` handle is NULL, a nacp_string is
 * empty, and a number or a struct is zero but for its size; whatever stood there before is not looked at.
 *
 * Texts are UTF-8 and end with a NUL.
 *
 * Threads. What is taken as `const T *` may be used by several threads at once. What is taken as `T *` belongs to the call
 * alone; that is so for every `[out]` parameter too.
 *
 * Structs begin with their size, which their NACP_*_INIT macro sets, and may grow at their end. The library writes no more
 * of a struct than the caller has, and takes what an older caller does not have as zero.
 *
 * Fork. A context and what came from it belong to the process that made them; in a forked child make a new one.
 *
 * Signals. SIGPIPE is blocked on the library's threads, and on the caller's for the time of a call: a connection that breaks
 * is an error and ends no program. How the program treats signals is not changed.
 *
 * The library has no signal handler, no global state, and prints nothing but the report of a defect of its own, and what
 * nacp_probe_answer reports to the process that asked.
 */

#ifndef NACP_H
#define NACP_H

/* Generated from nacp-ffi/src by its test `header`: change it there. */

#include <stddef.h>
#include <stdint.h>

/** The version of this header; nacp_version_string() is that of the library. */
#define NACP_VERSION "0.1.0"

#ifdef __cplusplus
extern "C++" {
template <typename T> inline T nacp_init() {
  T value = T();
  value.struct_size = static_cast<uint32_t>(sizeof(T));
  return value;
}
}
#define NACP_INIT(T) nacp_init<T>()
#else
#define NACP_INIT(T) {.struct_size = sizeof(T)}
#endif

#define NACP_CTX_OPTIONS_INIT NACP_INIT(nacp_ctx_options)
#define NACP_ERROR_INIT NACP_INIT(nacp_error)
#define NACP_NODE_INFO_INIT NACP_INIT(nacp_node_info)
#define NACP_GPU_INIT NACP_INIT(nacp_gpu)
#define NACP_GPU_INFO_INIT NACP_INIT(nacp_gpu_info)
#define NACP_VALUE_INIT NACP_INIT(nacp_value)
#define NACP_MIG_DEVICE_INIT NACP_INIT(nacp_mig_device)
#define NACP_PROCESS_INIT NACP_INIT(nacp_process)
#define NACP_OWNER_INIT NACP_INIT(nacp_owner)
#define NACP_LINK_INIT NACP_INIT(nacp_link)
#define NACP_EVENT_INIT NACP_INIT(nacp_event)
#define NACP_TELEMETRY_OPTIONS_INIT NACP_INIT(nacp_telemetry_options)
#define NACP_WINDOW_INIT NACP_INIT(nacp_window)
#define NACP_TELEMETRY_STATUS_INIT NACP_INIT(nacp_telemetry_status)
#define NACP_UPDATE_INIT NACP_INIT(nacp_update)
#define NACP_SURVEY_OPTIONS_INIT NACP_INIT(nacp_survey_options)
#define NACP_RECORD_OPTIONS_INIT NACP_INIT(nacp_record_options)
#define NACP_RECORDED_INIT NACP_INIT(nacp_recorded)
#define NACP_GPU_HEALTH_INIT NACP_INIT(nacp_gpu_health)
#define NACP_CONDITION_INIT NACP_INIT(nacp_condition)
#define NACP_CORDON_INIT NACP_INIT(nacp_cordon)
#define NACP_UNCHECKED_INIT NACP_INIT(nacp_unchecked)
#define NACP_EVALUATE_OPTIONS_INIT NACP_INIT(nacp_evaluate_options)
#define NACP_CHECK_RESULT_INIT NACP_INIT(nacp_check_result)
#define NACP_CHECK_STEP_INIT NACP_INIT(nacp_check_step)
#define NACP_CHECK_OPTIONS_INIT NACP_INIT(nacp_check_options)
#define NACP_CHECK_METRIC_INIT NACP_INIT(nacp_check_metric)
#define NACP_ENGINE_INFO_INIT NACP_INIT(nacp_engine_info)
#define NACP_ACTION_INIT NACP_INIT(nacp_action)
#define NACP_APP_EVENT_INIT NACP_INIT(nacp_app_event)
#define NACP_REPLICA_INIT NACP_INIT(nacp_replica)
#define NACP_GATEWAY_OPTIONS_INIT NACP_INIT(nacp_gateway_options)
#define NACP_METRICS_OPTIONS_INIT NACP_INIT(nacp_metrics_options)

/**
 * The version of the binary interface: it changes when a program has to be compiled anew.
 */
#define NACP_ABI_VERSION 1

/**
 * `nacp_ctx_options.replay_at_end`: it stays at its last reading.
 */
#define NACP_REPLAY_STAY 0

/**
 * `nacp_ctx_options.replay_at_end`: it begins anew.
 */
#define NACP_REPLAY_LOOP 1

/**
 * `nacp_ctx_options.replay_at_end`: each further reading fails with NACP_E_DRIVER_UNAVAILABLE.
 */
#define NACP_REPLAY_FAIL 2

/**
 * `nacp_node_info.known`: the driver's version is known.
 */
#define NACP_NODE_DRIVER 1

/**
 * `nacp_node_info.known`: the CUDA version is known.
 */
#define NACP_NODE_CUDA 2

/**
 * `nacp_gpu.known`: the compute capability is known.
 */
#define NACP_GPU_COMPUTE 1

/**
 * `nacp_gpu.known`: `memory_total` is known.
 */
#define NACP_GPU_MEMORY_TOTAL 2

/**
 * `nacp_gpu.known`: the PCI address is known.
 */
#define NACP_GPU_PCI 4

/**
 * `nacp_gpu.known`: `memory_used`, `memory_free` and `memory_reserved` are known.
 */
#define NACP_GPU_MEMORY_USE 8

/**
 * `nacp_gpu.known`: both utilisations are known.
 */
#define NACP_GPU_UTILIZATION 16

/**
 * `nacp_gpu.known`: the temperature is known.
 */
#define NACP_GPU_TEMPERATURE 32

/**
 * `nacp_gpu.known`: the power drawn is known.
 */
#define NACP_GPU_POWER 64

/**
 * `nacp_gpu.known`: the limit of the power is known.
 */
#define NACP_GPU_POWER_LIMIT 128

/**
 * `nacp_gpu.known`: the clocks are known.
 */
#define NACP_GPU_CLOCKS 256

/**
 * `nacp_gpu_info.known`: the serial number is known.
 */
#define NACP_INFO_SERIAL 1

/**
 * `nacp_gpu_info.known`: the board's part number is known.
 */
#define NACP_INFO_PART_NUMBER 2

/**
 * `nacp_gpu_info.known`: the version of the video BIOS is known.
 */
#define NACP_INFO_VBIOS 4

/**
 * `nacp_gpu_info.known`: the product line is known.
 */
#define NACP_INFO_BRAND 8

/**
 * `nacp_gpu_info.known`: the architecture is known.
 */
#define NACP_INFO_ARCHITECTURE 16

/**
 * `nacp_gpu_info.known`: the number of CUDA cores is known.
 */
#define NACP_INFO_CORES 32

/**
 * `nacp_gpu_info.known`: the number of multiprocessors is known.
 */
#define NACP_INFO_MULTIPROCESSORS 64

/**
 * `nacp_gpu_info.known`: the width of the memory bus is known.
 */
#define NACP_INFO_MEMORY_BUS 128

/**
 * `nacp_gpu_info.known`: the size of the CPU's window onto the memory is known.
 */
#define NACP_INFO_BAR1 256

/**
 * `nacp_gpu_info.known`: the newest PCIe generation of GPU and slot is known.
 */
#define NACP_INFO_PCIE_GENERATION 512

/**
 * `nacp_gpu_info.known`: the widest PCIe link of GPU and slot is known.
 */
#define NACP_INFO_PCIE_WIDTH 1024

/**
 * `nacp_gpu_info.known`: the lowest power limit is known.
 */
#define NACP_INFO_POWER_MIN 2048

/**
 * `nacp_gpu_info.known`: the highest power limit is known.
 */
#define NACP_INFO_POWER_MAX 4096

/**
 * `nacp_gpu_info.known`: the power limit after a start is known.
 */
#define NACP_INFO_POWER_DEFAULT 8192

/**
 * `nacp_gpu_info.known`: the highest clocks are known.
 */
#define NACP_INFO_CLOCKS 16384

/**
 * `nacp_gpu_info.known`: the temperature of the emergency stop is known.
 */
#define NACP_INFO_SHUTDOWN 32768

/**
 * `nacp_gpu_info.known`: the temperature at which it slows down is known.
 */
#define NACP_INFO_SLOWDOWN 65536

/**
 * `nacp_gpu_info.known`: the number N of /dev/nvidiaN is known.
 */
#define NACP_INFO_MINOR 131072

/**
 * `nacp_gpu_info.known`: the NUMA node is known.
 */
#define NACP_INFO_NUMA_NODE 262144

/**
 * `nacp_gpu_info.known`: the compute mode is known.
 */
#define NACP_INFO_COMPUTE_MODE 524288

/**
 * `nacp_gpu_info.known`: whether the driver stays loaded is known.
 */
#define NACP_INFO_PERSISTENCE 1048576

/**
 * `nacp_gpu_info.known`: the modes of error correction are known.
 */
#define NACP_INFO_ECC 2097152

/**
 * `nacp_gpu_info.known`: the modes of partitioning are known.
 */
#define NACP_INFO_MIG 4194304

/**
 * `nacp_gpu_info.known`: the NVLinks are known.
 */
#define NACP_INFO_NVLINKS 8388608

/**
 * `nacp_gpu_info.known`: whether a link to the CPU is on is known.
 */
#define NACP_INFO_C2C 16777216

/**
 * `nacp_gpu_info.compute_mode`: any number of programs may compute.
 */
#define NACP_COMPUTE_DEFAULT 0

/**
 * `nacp_gpu_info.compute_mode`: one thread of one program; no driver since CUDA 8 offers it.
 */
#define NACP_COMPUTE_EXCLUSIVE_THREAD 1

/**
 * `nacp_gpu_info.compute_mode`: no program.
 */
#define NACP_COMPUTE_PROHIBITED 2

/**
 * `nacp_gpu_info.compute_mode`: one program.
 */
#define NACP_COMPUTE_EXCLUSIVE_PROCESS 3

/**
 * `nacp_mig_device.known`: the name is known.
 */
#define NACP_MIG_NAME 1

/**
 * `nacp_mig_device.known`: the profile is known.
 */
#define NACP_MIG_PROFILE 2

/**
 * `nacp_mig_device.known`: the id of the GPU instance is known.
 */
#define NACP_MIG_GPU_INSTANCE 4

/**
 * `nacp_mig_device.known`: the id of the compute instance is known.
 */
#define NACP_MIG_COMPUTE_INSTANCE 8

/**
 * `nacp_mig_device.known`: `memory_total` is known.
 */
#define NACP_MIG_MEMORY_TOTAL 16

/**
 * `nacp_mig_device.known`: `memory_used` and `memory_free` are known.
 */
#define NACP_MIG_MEMORY_USE 32

/**
 * `nacp_mig_device.known`: the number of multiprocessors is known.
 */
#define NACP_MIG_MULTIPROCESSORS 64

/**
 * `nacp_process.known`: the memory is known.
 */
#define NACP_PROCESS_MEMORY 1

/**
 * `nacp_process.known`: how busy it kept the GPU is known.
 */
#define NACP_PROCESS_UTILIZATION 2

/**
 * `nacp_process.known`: it runs on a partition, `gpu_instance` tells which.
 */
#define NACP_PROCESS_GPU_INSTANCE 4

/**
 * `nacp_process.known`: the compute instance is known.
 */
#define NACP_PROCESS_COMPUTE_INSTANCE 8

/**
 * `nacp_process.kind`: it computes.
 */
#define NACP_PROCESS_COMPUTE 1

/**
 * `nacp_process.kind`: it draws.
 */
#define NACP_PROCESS_GRAPHICS 2

/**
 * `nacp_process.kind`: it does both.
 */
#define NACP_PROCESS_BOTH 3

/**
 * `nacp_owner.known`: the program's name is known.
 */
#define NACP_OWNER_COMMAND 1

/**
 * `nacp_owner.known`: the user's number is known.
 */
#define NACP_OWNER_UID 2

/**
 * `nacp_owner.known`: the user's name is known.
 */
#define NACP_OWNER_USER 4

/**
 * `nacp_owner.known`: it is known in which container it is; none where `container` is empty.
 */
#define NACP_OWNER_CONTAINER 8

/**
 * `nacp_owner.known`: it is known in which pod it is; none where `pod_uid` is empty.
 */
#define NACP_OWNER_POD 16

/**
 * `nacp_owner.known`: the pod's name is known.
 */
#define NACP_OWNER_POD_NAME 32

/**
 * `nacp_owner.known`: the pod's namespace is known.
 */
#define NACP_OWNER_POD_NAMESPACE 64

/**
 * `nacp_owner.known`: the name that the engine has given to the container is known.
 */
#define NACP_OWNER_CONTAINER_NAME 128

/**
 * `nacp_link.known`: what of the machine lies between them is known.
 */
#define NACP_LINK_ANCESTOR 1

/**
 * `nacp_link.known`: the number of NVLinks is known.
 */
#define NACP_LINK_NVLINKS 2

/**
 * `nacp_link.known`: what the NVLinks carry is known.
 */
#define NACP_LINK_BANDWIDTH 4

/**
 * `nacp_link.known`: whether they can use each other's memory is known.
 */
#define NACP_LINK_PEER 8

/**
 * `nacp_link.known`: whether they are near the same memory of the machine is known.
 */
#define NACP_LINK_NUMA 16

/**
 * `nacp_link.known`: whether they belong to one clique of a fabric is known.
 */
#define NACP_LINK_CLIQUE 32

/**
 * `nacp_link.known`: the NVLink version is known.
 */
#define NACP_LINK_VERSION 64

/**
 * `nacp_link.ancestor`: both are on one board.
 */
#define NACP_ANCESTOR_BOARD 0

/**
 * `nacp_link.ancestor`: one PCIe switch.
 */
#define NACP_ANCESTOR_SWITCH 10

/**
 * `nacp_link.ancestor`: several PCIe switches.
 */
#define NACP_ANCESTOR_SWITCHES 20

/**
 * `nacp_link.ancestor`: a PCIe host bridge.
 */
#define NACP_ANCESTOR_HOST_BRIDGE 30

/**
 * `nacp_link.ancestor`: a NUMA node.
 */
#define NACP_ANCESTOR_NUMA_NODE 40

/**
 * `nacp_link.ancestor`: the machine alone.
 */
#define NACP_ANCESTOR_SYSTEM 50

/**
 * `nacp_event.kind`: something that the library does not know; `bits` and `data` have what the driver said.
 */
#define NACP_EVENT_UNKNOWN 0

/**
 * `nacp_event.kind`: a single-bit memory error was corrected.
 */
#define NACP_EVENT_SINGLE_BIT_ECC 1

/**
 * `nacp_event.kind`: a double-bit memory error was not.
 */
#define NACP_EVENT_DOUBLE_BIT_ECC 2

/**
 * `nacp_event.kind`: the performance state changed.
 */
#define NACP_EVENT_PERFORMANCE_STATE 3

/**
 * `nacp_event.kind`: an error that the driver names by number; `data` is the Xid.
 */
#define NACP_EVENT_XID 4

/**
 * `nacp_event.kind`: the clocks changed.
 */
#define NACP_EVENT_CLOCK 5

/**
 * `nacp_event.kind`: the power source changed.
 */
#define NACP_EVENT_POWER_SOURCE 6

/**
 * `nacp_event.kind`: the partitions changed.
 */
#define NACP_EVENT_MIG_CONFIGURATION 7

/**
 * `nacp_event.kind`: single-bit errors come in a storm.
 */
#define NACP_EVENT_SINGLE_BIT_STORM 8

/**
 * `nacp_event.kind`: memory is retired.
 */
#define NACP_EVENT_DRAM_RETIREMENT 9

/**
 * `nacp_event.kind`: memory could not be retired.
 */
#define NACP_EVENT_DRAM_FAILURE 10

/**
 * `nacp_event.kind`: poisoned data that harmed nothing yet.
 */
#define NACP_EVENT_NON_FATAL_POISON 11

/**
 * `nacp_event.kind`: poisoned data was used.
 */
#define NACP_EVENT_FATAL_POISON 12

/**
 * `nacp_event.kind`: the GPU can no longer be used.
 */
#define NACP_EVENT_UNAVAILABLE 13

/**
 * `nacp_event.kind`: what the driver wants done about the GPU changed.
 */
#define NACP_EVENT_RECOVERY_ACTION 14

/**
 * `nacp_event.kind`: an NVSwitch named an error by number; `data` is the SXid.
 */
#define NACP_EVENT_SXID 15

/**
 * `nacp_event.kind`: the GPU has fallen off the bus.
 */
#define NACP_EVENT_FELL_OFF_BUS 16

/**
 * `nacp_event.via`: the driver's management library told it.
 */
#define NACP_VIA_NVML 1

/**
 * `nacp_event.via`: the log of the kernel told it.
 */
#define NACP_VIA_KERNEL_LOG 2

/**
 * `nacp_event.via`: a simulated node made it up.
 */
#define NACP_VIA_SIMULATED 3

/**
 * `nacp_telemetry_options.history_s`: no readings are kept but the last.
 */
#define NACP_NO_HISTORY UINT32_MAX

/**
 * `nacp_window.known`: `first`, `last`, `min`, `max`, `mean`, `p50` and `p99` are known.
 */
#define NACP_WINDOW_VALUES 1

/**
 * `nacp_window.known`: `delta` is known; the number is a counter.
 */
#define NACP_WINDOW_DELTA 2

/**
 * `nacp_window.known`: `rate` is known; the number is a counter.
 */
#define NACP_WINDOW_RATE 4

/**
 * `nacp_telemetry_status.listening`: it has not begun yet, or has ended.
 */
#define NACP_LISTENING_OFF 0

/**
 * `nacp_telemetry_status.listening`: it hears what happens.
 */
#define NACP_LISTENING_ON 1

/**
 * `nacp_telemetry_status.listening`: nothing is told there, as under WSL2.
 */
#define NACP_LISTENING_NOT_OFFERED 2

/**
 * `nacp_telemetry_status.listening`: the driver fails to tell; it is tried again.
 */
#define NACP_LISTENING_FAILING 3

/**
 * `nacp_update.kind`: the GPUs were read; nacp_subscription_value has the numbers.
 */
#define NACP_UPDATE_SAMPLES 1

/**
 * `nacp_update.kind`: something happened to a GPU; nacp_subscription_event has it.
 */
#define NACP_UPDATE_EVENT 2

/**
 * `nacp_update.kind`: the driver has begun to fail; `text` says how.
 */
#define NACP_UPDATE_ERROR 3

/**
 * `nacp_update.kind`: `lost` updates were lost, because this subscriber was too slow.
 */
#define NACP_UPDATE_LAGGED 4

/**
 * `nacp_update.kind`: the reading has ended; nothing more will come.
 */
#define NACP_UPDATE_ENDED 5

/**
 * The driver does not answer at all.
 */
#define NACP_CONDITION_DRIVER_UNAVAILABLE 1

/**
 * The driver that is loaded and its library on the disk have different versions.
 */
#define NACP_CONDITION_LIBRARY_MISMATCH 2

/**
 * The driver lists fewer GPUs than there are.
 */
#define NACP_CONDITION_COUNT_MISMATCH 3

/**
 * The GPU has stopped answering.
 */
#define NACP_CONDITION_GPU_LOST 4

/**
 * The GPU cannot be used before it is reset.
 */
#define NACP_CONDITION_RESET_REQUIRED 5

/**
 * The driver asks for something to be done.
 */
#define NACP_CONDITION_RECOVERY_ASKED 6

/**
 * The driver reported an error by number; `code` is the Xid.
 */
#define NACP_CONDITION_XID 7

/**
 * An NVSwitch reported an error by number; `code` is the SXid.
 */
#define NACP_CONDITION_SXID 8

/**
 * The GPU has fallen off the bus.
 */
#define NACP_CONDITION_FELL_OFF_BUS 9

/**
 * A row of memory is to be replaced at the next reset.
 */
#define NACP_CONDITION_ROW_REMAP_PENDING 10

/**
 * Replacing a row of memory has failed.
 */
#define NACP_CONDITION_ROW_REMAP_FAILED 11

/**
 * A page of memory is to be retired when the driver is loaded next.
 */
#define NACP_CONDITION_RETIRED_PAGES_PENDING 12

/**
 * So many pages of memory are retired that NVIDIA's diagnostic fails the GPU.
 */
#define NACP_CONDITION_RETIRED_PAGES_MANY 13

/**
 * Errors of the memory were not corrected.
 */
#define NACP_CONDITION_UNCORRECTABLE_ECC 14

/**
 * So many errors within the chip that NVIDIA wants the GPU replaced.
 */
#define NACP_CONDITION_SRAM_THRESHOLD 15

/**
 * Corrected errors of the memory come in a storm.
 */
#define NACP_CONDITION_ECC_STORM 16

/**
 * Poisoned data was found.
 */
#define NACP_CONDITION_POISON 17

/**
 * The InfoROM is corrupt.
 */
#define NACP_CONDITION_INFOROM_CORRUPT 18

/**
 * The GPU is too hot.
 */
#define NACP_CONDITION_HOT 19

/**
 * The memory is too hot.
 */
#define NACP_CONDITION_MEMORY_HOT 20

/**
 * The GPU is close to the temperature at which it slows down.
 */
#define NACP_CONDITION_THERMAL_MARGIN 21

/**
 * The hardware slows the GPU down again and again.
 */
#define NACP_CONDITION_CLOCK_SLOWDOWN 22

/**
 * NVLinks are down.
 */
#define NACP_CONDITION_NVLINK_INACTIVE 23

/**
 * NVLinks are slow.
 */
#define NACP_CONDITION_NVLINK_SLOW 24

/**
 * NVLinks count errors.
 */
#define NACP_CONDITION_NVLINK_ERRORS 25

/**
 * The GPU is not well in its NVLink fabric.
 */
#define NACP_CONDITION_FABRIC_UNHEALTHY 26

/**
 * The PCIe link is narrower or slower than it can be.
 */
#define NACP_CONDITION_PCIE_DOWNGRADED 27

/**
 * PCIe packets are sent again too often.
 */
#define NACP_CONDITION_PCIE_REPLAYS 28

/**
 * The board draws less or more than it should.
 */
#define NACP_CONDITION_POWER_OUT_OF_RANGE 29

/**
 * The driver is unloaded when nobody uses the GPU.
 */
#define NACP_CONDITION_PERSISTENCE_OFF 30

/**
 * The mode of error correction changes at the next reset.
 */
#define NACP_CONDITION_ECC_MODE_PENDING 31

/**
 * Partitioning changes at the next reset.
 */
#define NACP_CONDITION_MIG_MODE_PENDING 32

/**
 * A dead process still holds the GPU.
 */
#define NACP_CONDITION_ZOMBIE_PROCESS 33

/**
 * The driver told something that the library does not know; `code` has its bits.
 */
#define NACP_CONDITION_UNKNOWN_EVENT 34

/**
 * What nacp_monitor_change_at tells: something is wrong that was not.
 */
#define NACP_CHANGE_RAISED 1

/**
 * What nacp_monitor_change_at tells: it got better or worse, needs another action, or was told again.
 */
#define NACP_CHANGE_UPDATED 2

/**
 * What nacp_monitor_change_at tells: it is over.
 */
#define NACP_CHANGE_CLEARED 3

/**
 * Does CUDA work at all: below 2 seconds.
 */
#define NACP_LEVEL_QUICK 0

/**
 * And how fast, and does it repeat: below 30 seconds.
 */
#define NACP_LEVEL_STANDARD 1

/**
 * All memory, all multiprocessors, for minutes: asks for an idle GPU.
 */
#define NACP_LEVEL_FULL 2

/**
 * Everything that was done passed.
 */
#define NACP_REPORT_PASS 1

/**
 * It works, with warnings, or a part could not be looked at.
 */
#define NACP_REPORT_WARN 2

/**
 * Nothing could be said: the device is busy, or the time was over before a bit was checked.
 */
#define NACP_REPORT_UNKNOWN 3

/**
 * There is no driver, no device, or something fails.
 */
#define NACP_REPORT_FAIL 4

/**
 * As it should be.
 */
#define NACP_CHECK_PASS 1

/**
 * It works, and something is worth knowing.
 */
#define NACP_CHECK_WARN 2

/**
 * It does not work, or gives wrong answers.
 */
#define NACP_CHECK_FAIL 3

/**
 * It was not done: nacp_check_result.skip says why.
 */
#define NACP_CHECK_SKIPPED 4

/**
 * The driver refused a call that should have succeeded: nacp_check_result.code is its number.
 */
#define NACP_CHECK_ERROR 5

/**
 * Its time was over.
 */
#define NACP_SKIP_DEADLINE 1

/**
 * What it builds on does not work: an earlier check says why.
 */
#define NACP_SKIP_BLOCKED 2

/**
 * This device or driver does not have it.
 */
#define NACP_SKIP_UNSUPPORTED 3

/**
 * The device is held by somebody else: it is busy and not broken.
 */
#define NACP_SKIP_BUSY 4

/**
 * An earlier check made the device unusable for this process.
 */
#define NACP_SKIP_POISONED 5

/**
 * The caller did not ask for it, or gave up.
 */
#define NACP_SKIP_CANCELLED 6

/**
 * The caller named nothing to hold the driver or the device to.
 */
#define NACP_SKIP_NOT_ASKED 7

/**
 * `nacp_app_event.kind`: something that this header does not know; `text` says it in words.
 */
#define NACP_APP_EVENT_OTHER 0

/**
 * `nacp_app_event.kind`: an image arrives; `done` and `total` are its bytes.
 */
#define NACP_APP_EVENT_PULLING 1

/**
 * `nacp_app_event.kind`: something is about to be done.
 */
#define NACP_APP_EVENT_DOING 2

/**
 * `nacp_app_event.kind`: it was done.
 */
#define NACP_APP_EVENT_DONE 3

/**
 * `nacp_app_event.kind`: it failed; `seconds` is when it is tried again, below 0 when it is given up.
 */
#define NACP_APP_EVENT_FAILED 4

/**
 * `nacp_app_event.kind`: a replica runs and is not ready yet.
 */
#define NACP_APP_EVENT_WAITING 5

/**
 * `nacp_app_event.kind`: a replica is ready, `seconds` after its start.
 */
#define NACP_APP_EVENT_READY 6

/**
 * `nacp_app_event.kind`: a replica that was ready no longer is.
 */
#define NACP_APP_EVENT_NOT_READY 7

/**
 * `nacp_app_event.kind`: a replica's program ended; `seconds` is when it is started again, below 0 when it stays ended.
 */
#define NACP_APP_EVENT_ENDED 8

/**
 * `nacp_app_event.kind`: a new specification did not become ready, and the old one comes back.
 */
#define NACP_APP_EVENT_ROLLED_BACK 9

/**
 * `nacp_app_event.kind`: a GPU is no longer given to replicas, or is again.
 */
#define NACP_APP_EVENT_CORDONED 10

/**
 * `nacp_app_event.kind`: a container is weaker than it was asked to be.
 */
#define NACP_APP_EVENT_WEAKER 11

/**
 * `nacp_app_event.kind`: the engine does not answer.
 */
#define NACP_APP_EVENT_ENGINE_LOST 12

/**
 * `nacp_app_event.kind`: the engine answers again, `seconds` after it was lost.
 */
#define NACP_APP_EVENT_ENGINE_BACK 13

/**
 * `nacp_app_event.kind`: another program keeps the app; this one only reads until that has ended.
 */
#define NACP_APP_EVENT_STANDBY 14

/**
 * `nacp_app_event.kind`: this program keeps the app now.
 */
#define NACP_APP_EVENT_KEEPING 15

/**
 * `nacp_app_event.kind`: everything is as it is wanted.
 */
#define NACP_APP_EVENT_CONVERGED 16

/**
 * `nacp_app_event.kind`: `done` events were lost because nobody asked for them in time.
 */
#define NACP_APP_EVENT_LOST 17

/**
 * What a function answers. The numbers are stable and never reused; a program should be ready for ones that it does
 * not know.
 */
enum nacp_status
#if (defined(__cplusplus) && __cplusplus >= 201103L) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * It worked.
   */
  NACP_OK = 0,
  /**
   * The caller passed something that cannot be right; trying again with the same values cannot help.
   */
  NACP_E_INVALID_ARGUMENT = 1,
  /**
   * The named thing is not there.
   */
  NACP_E_NOT_FOUND = 2,
  /**
   * Something else has what was asked for: a name, a port, a generation.
   */
  NACP_E_CONFLICT = 3,
  /**
   * The operating system, the driver or the engine refuses this user.
   */
  NACP_E_PERMISSION_DENIED = 4,
  /**
   * This driver, engine or build cannot do what was asked.
   */
  NACP_E_UNSUPPORTED = 5,
  /**
   * No usable NVIDIA driver: not installed, not loaded, broken, or too old.
   */
  NACP_E_DRIVER_UNAVAILABLE = 6,
  /**
   * No usable container engine: not installed, not running, or out of reach.
   */
  NACP_E_ENGINE_UNAVAILABLE = 7,
  /**
   * A GPU stopped answering and needs a reset or a restart of the machine.
   */
  NACP_E_DEVICE_LOST = 8,
  /**
   * Not enough memory, GPUs, ports or capacity for what was asked.
   */
  NACP_E_RESOURCE_EXHAUSTED = 9,
  /**
   * The time limit passed first.
   */
  NACP_E_TIMEOUT = 10,
  /**
   * The caller, or the program's end, stopped the operation.
   */
  NACP_E_CANCELLED = 11,
  /**
   * A defect of NACP itself, a caught panic included.
   */
  NACP_E_INTERNAL = 12,
  /**
   * A service's own program ended or broke; its log says why. The same app may work once the service is mended.
   */
  NACP_E_SERVICE_FAILED = 13
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum nacp_status nacp_status;
#else
typedef int32_t nacp_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What an action of a plan does. Be ready for numbers that are not here.
 */
enum nacp_step
#if (defined(__cplusplus) && __cplusplus >= 201103L) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * Leave a container as it is.
   */
  NACP_STEP_KEEP = 1,
  /**
   * Create a container and start it.
   */
  NACP_STEP_CREATE = 2,
  /**
   * Start a container that is there but has never run.
   */
  NACP_STEP_START = 3,
  /**
   * Remove a container.
   */
  NACP_STEP_REMOVE = 4,
  /**
   * Something that stands in no plan of a whole app.
   */
  NACP_STEP_OTHER = 5
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum nacp_step nacp_step;
#else
typedef int32_t nacp_step;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What a program works with: the GPUs of a node, the engine that runs containers, and the threads that serve both.
 *
 * Threads: every function that takes `const nacp_ctx *` may be called by several threads at once; nacp_ctx_free by one,
 * when no other call is running. A context does not survive a fork: in the child its functions fail with
 * NACP_E_UNSUPPORTED, and freeing it there does nothing.
 */
typedef struct nacp_ctx nacp_ctx;

/**
 * A wait for what happens to the GPUs of a node, from the moment when it was opened.
 *
 * Threads: one at a time.
 */
typedef struct nacp_events nacp_events;

/**
 * A running gateway: an HTTP server that speaks the OpenAI API (`/v1/...`) and Ollama's (`/api/...`), and passes each
 * request to a replica of the model that it asks for.
 *
 * Threads: functions that take `const nacp_gateway *` may be called by several threads at once; nacp_gateway_stop and
 * nacp_gateway_free by one.
 */
typedef struct nacp_gateway nacp_gateway;

/**
 * How healthy the GPUs of a node are: what is wrong, and what could not be checked.
 *
 * Threads: functions that take `const nacp_health *` may be called by several threads at once; nacp_health_free by one.
 */
typedef struct nacp_health nacp_health;

/**
 * An app that is kept as it is wanted, until it is freed.
 *
 * Threads: its functions may be called by several threads at once, so one can wait in nacp_kept_next while another scales; of
 * two that wait, one waits for the other first. nacp_kept_free is called once, when no other call is under way.
 */
typedef struct nacp_kept nacp_kept;

/**
 * A request that was routed and is not over. It counts as in flight on its replica until it is freed, and stays valid
 * when the replica goes or the router is freed.
 *
 * Threads: functions that take `const nacp_lease *` may be called by several threads at once; nacp_lease_free by one.
 */
typedef struct nacp_lease nacp_lease;

/**
 * A watch over the health of a node: it knows rates, waits before it raises and before it clears, and keeps what events
 * told.
 *
 * Threads: functions that take `const nacp_monitor *` may be called by several threads at once; the others by one, when no
 * other call uses the monitor.
 */
typedef struct nacp_monitor nacp_monitor;

/**
 * A machine with its GPUs, as they were read at one moment.
 *
 * Threads: functions that take `const nacp_node *` may be called by several threads at once; nacp_node_refresh,
 * nacp_node_reread and nacp_node_free by one, when no other call uses the node.
 */
typedef struct nacp_node nacp_node;

/**
 * The actions that would bring an app to what is wanted, in the order in which they are done.
 *
 * Threads: functions that take `const nacp_plan *` may be called by several threads at once; nacp_plan_free by one.
 */
typedef struct nacp_plan nacp_plan;

/**
 * A recording under way: a thread of the library writes what is read to a file. "replay:FILE" as the node of a context
 * plays it, on a machine without any GPU.
 *
 * Threads: one at a time.
 */
typedef struct nacp_recording nacp_recording;

/**
 * The replicas of an app at one moment, ordered by service and number.
 *
 * Threads: functions that take `const nacp_replicas *` may be called by several threads at once; nacp_replicas_free by
 * one.
 */
typedef struct nacp_replicas nacp_replicas;

/**
 * What the checks of CUDA found.
 *
 * Threads: functions that take `const nacp_report *` may be called by several threads at once; nacp_report_free by one.
 */
typedef struct nacp_report nacp_report;

/**
 * Chooses the replica for each request: the less busy of two drawn at random.
 *
 * Threads: functions that take `const nacp_router *` may be called by several threads at once, nacp_route from all of
 * them without waiting for each other; nacp_router_free by one. Routing uses no thread of the context and needs it no
 * more.
 */
typedef struct nacp_router nacp_router;

/**
 * One subscriber of telemetry. A slow one loses the oldest updates and is told how many; it never slows the reading.
 *
 * Threads: one at a time.
 */
typedef struct nacp_subscription nacp_subscription;

/**
 * GPUs that are read at a steady pace by a thread of the library, and what was read.
 *
 * Threads: functions that take `const nacp_telemetry *` may be called by several threads at once; nacp_telemetry_free by
 * one, when no other call uses it.
 */
typedef struct nacp_telemetry nacp_telemetry;

/**
 * Text that the caller owns: UTF-8 with a closing NUL, freed by nacp_string_free.
 */
typedef struct nacp_string {
  /**
   * The text; NULL when there is none.
   */
  char *data;
  /**
   * Its length in bytes, without the closing NUL.
   */
  size_t len;
} nacp_string;

/**
 * How a context is made.
 *
 * ```c
 * nacp_ctx_options options = NACP_CTX_OPTIONS_INIT;
 * options.node = "simulated:h100x8";
 * options.engine = "simulated";
 * ```
 */
typedef struct nacp_ctx_options {
  /**
   * sizeof(nacp_ctx_options); NACP_CTX_OPTIONS_INIT sets it.
   */
  uint32_t struct_size;
  /**
   * Threads that serve the engine and the gateways; 0 for one per processor, 8 at most.
   */
  uint32_t worker_threads;
  /**
   * Whose GPUs: NULL for this machine's; "simulated:NAME" for a simulated node, such as
   * "simulated:rtx3050ti-laptop-wsl2" or "simulated:h100x8"; "simulated:FILE.json" for one of your own; "replay:FILE" for
   * a recording that nacp_telemetry_record has made.
   */
  const char *node;
  /**
   * Who runs containers: NULL or "docker" for Docker Engine or Podman (at DOCKER_HOST, or on the default socket), or
   * "simulated" for services that are made up within this process and end with the context.
   */
  const char *engine;
  /**
   * Who touches the driver first, because its library can crash or hang the program that opens it: NULL for nobody,
   * "self" for this program, which then calls nacp_probe_answer first in main, or the path of another program that does.
   * It runs as a child process when GPUs are first looked for. Only for this machine's GPUs.
   */
  const char *guard;
  /**
   * How long the guard may take, in milliseconds; 0 for 30 000.
   */
  uint32_t guard_limit_ms;
  /**
   * What a recording does at its end: NACP_REPLAY_STAY and the like.
   */
  uint32_t replay_at_end;
  /**
   * How fast a recording goes on: 1 as it was, 10 ten times as fast; 0 for one reading of it at each reading of the
   * node.
   */
  double replay_speed;
} nacp_ctx_options;

/**
 * What went wrong. It lives with the caller, usually on the stack, and needs no freeing. Every function takes NULL in
 * its place. A call that succeeds empties it.
 *
 * ```c
 * nacp_error error = NACP_ERROR_INIT;
 * if (nacp_discover(ctx, &node, &error) != NACP_OK) fprintf(stderr, "%s\n", error.message);
 * ```
 */
typedef struct nacp_error {
  /**
   * sizeof(nacp_error); NACP_ERROR_INIT sets it.
   */
  uint32_t struct_size;
  /**
   * The status that the call returned.
   */
  int32_t status;
  /**
   * 1 when the same call may succeed later, else 0.
   */
  uint32_t retryable;
  /**
   * What failed, dotted, such as "engine.create", or the name of the function that refused a parameter.
   */
  char operation[64];
  /**
   * What failed, with which values, and how to mend it: UTF-8, cut off between two characters when it is too long.
   */
  char message[1024];
} nacp_error;

/**
 * What a node is read from. A field whose bit is not set in `known` means nothing.
 */
typedef struct nacp_node_info {
  /**
   * sizeof(nacp_node_info); NACP_NODE_INFO_INIT sets it.
   */
  uint32_t struct_size;
  /**
   * 1 when the GPUs are made up, else 0; for a recording, whether those that were recorded are.
   */
  uint32_t simulated;
  /**
   * Which fields are known: NACP_NODE_DRIVER, NACP_NODE_CUDA.
   */
  uint64_t known;
  /**
   * What answers: the path of the driver's library, the name of the simulated node, or "replay of" such a name.
   */
  char name[256];
  /**
   * The driver's version.
   */
  char driver[64];
  /**
   * The newest CUDA version that the driver serves, such as "13.0".
   */
  char cuda[16];
} nacp_node_info;

/**
 * One GPU: what it is and what it was doing. A field whose bit is not set in `known` means nothing: what the driver did
 * not tell is never given as 0.
 */
typedef struct nacp_gpu {
  /**
   * sizeof(nacp_gpu); NACP_GPU_INIT sets it.
   */
  uint32_t struct_size;
  /**
   * The position in the driver's list. For display only: it can change at the next start.
   */
  uint32_t index;
  /**
   * Which fields are known: NACP_GPU_COMPUTE and the like. UUID, name and index always are.
   */
  uint64_t known;
  /**
   * The UUID, as the driver spells it.
   */
  char uuid[80];
  /**
   * The product's name.
   */
  char name[96];
  /**
   * The PCI address, such as "00000000:01:00.0" (NACP_GPU_PCI).
   */
  char pci[32];
  /**
   * The major number of the compute capability (NACP_GPU_COMPUTE).
   */
  uint32_t compute_major;
  /**
   * The minor number of the compute capability (NACP_GPU_COMPUTE).
   */
  uint32_t compute_minor;
  /**
   * All memory of the device in bytes (NACP_GPU_MEMORY_TOTAL).
   */
  uint64_t memory_total;
  /**
   * Bytes allocated by programs (NACP_GPU_MEMORY_USE).
   */
  uint64_t memory_used;
  /**
   * Bytes not allocated (NACP_GPU_MEMORY_USE).
   */
  uint64_t memory_free;
  /**
   * Bytes kept by the driver and the firmware (NACP_GPU_MEMORY_USE).
   */
  uint64_t memory_reserved;
  /**
   * Percent of the last sampling period in which a kernel was running (NACP_GPU_UTILIZATION).
   */
  uint32_t utilization_gpu;
  /**
   * Percent of the last sampling period in which memory was read or written (NACP_GPU_UTILIZATION).
   */
  uint32_t utilization_memory;
  /**
   * Degrees Celsius (NACP_GPU_TEMPERATURE).
   */
  uint32_t temperature;
  /**
   * Power drawn by the board in milliwatts (NACP_GPU_POWER).
   */
  uint32_t power;
  /**
   * The limit at which the board is held, in milliwatts (NACP_GPU_POWER_LIMIT).
   */
  uint32_t power_limit;
  /**
   * The graphics clock in MHz (NACP_GPU_CLOCKS).
   */
  uint32_t clock_graphics;
  /**
   * The clock of the streaming multiprocessors in MHz (NACP_GPU_CLOCKS).
   */
  uint32_t clock_sm;
  /**
   * The memory clock in MHz (NACP_GPU_CLOCKS).
   */
  uint32_t clock_memory;
} nacp_gpu;

/**
 * What a GPU is: what does not change while it is in the machine, or seldom (modes, partitions, links): nacp_node_reread
 * reads it anew. A field whose bit is not set in `known` means
 * nothing. There is more in nacp_node_snapshot_json.
 */
typedef struct nacp_gpu_info {
  /**
   * sizeof(nacp_gpu_info); NACP_GPU_INFO_INIT sets it.
   */
  uint32_t struct_size;
  /**
   * The position in the driver's list. For display only: it can change at the next start.
   */
  uint32_t index;
  /**
   * Which fields are known: NACP_INFO_SERIAL and the like. UUID, name and index always are.
   */
  uint64_t known;
  /**
   * The UUID, as the driver spells it.
   */
  char uuid[80];
  /**
   * The product's name.
   */
  char name[96];
  /**
   * The serial number on the board.
   */
  char serial[32];
  /**
   * The board's part number.
   */
  char part_number[80];
  /**
   * The version of the video BIOS.
   */
  char vbios[32];
  /**
   * The product line, such as "GeForce".
   */
  char brand[32];
  /**
   * The architecture, such as "Ampere".
   */
  char architecture[32];
  /**
   * CUDA cores.
   */
  uint32_t cores;
  /**
   * Streaming multiprocessors.
   */
  uint32_t multiprocessors;
  /**
   * Width of the memory bus in bits.
   */
  uint32_t memory_bus;
  /**
   * The newest PCIe generation that GPU and slot have in common.
   */
  uint32_t pcie_max_generation;
  /**
   * The widest PCIe link that GPU and slot have in common, in lanes.
   */
  uint32_t pcie_max_width;
  /**
   * The lowest power limit that can be set, in milliwatts.
   */
  uint32_t power_min;
  /**
   * The highest power limit that can be set, in milliwatts.
   */
  uint32_t power_max;
  /**
   * The power limit after a start, in milliwatts.
   */
  uint32_t power_default;
  /**
   * The highest graphics clock in MHz (NACP_INFO_CLOCKS).
   */
  uint32_t clock_graphics;
  /**
   * The highest clock of the multiprocessors in MHz (NACP_INFO_CLOCKS).
   */
  uint32_t clock_sm;
  /**
   * The highest memory clock in MHz (NACP_INFO_CLOCKS).
   */
  uint32_t clock_memory;
  /**
   * Degrees Celsius at which it switches itself off (NACP_INFO_SHUTDOWN).
   */
  uint32_t temperature_shutdown;
  /**
   * Degrees Celsius at which it slows down to protect itself (NACP_INFO_SLOWDOWN).
   */
  uint32_t temperature_slowdown;
  /**
   * The number N of /dev/nvidiaN.
   */
  uint32_t minor;
  /**
   * The NUMA node of its own memory.
   */
  uint32_t numa_node;
  /**
   * Who may compute: NACP_COMPUTE_DEFAULT and the like, in NVML's numbers.
   */
  uint32_t compute_mode;
  /**
   * 1 when the driver stays loaded while nobody uses the GPU, else 0.
   */
  uint32_t persistence;
  /**
   * 1 when errors of the memory are corrected, else 0 (NACP_INFO_ECC).
   */
  uint32_t ecc;
  /**
   * The same after the next reset (NACP_INFO_ECC).
   */
  uint32_t ecc_pending;
  /**
   * 1 when the GPU is partitioned, else 0 (NACP_INFO_MIG).
   */
  uint32_t mig;
  /**
   * The same after the next reset (NACP_INFO_MIG).
   */
  uint32_t mig_pending;
  /**
   * NVLinks that are there.
   */
  uint32_t nvlinks;
  /**
   * NVLinks that are up (NACP_INFO_NVLINKS).
   */
  uint32_t nvlinks_active;
  /**
   * 1 when a chip-to-chip link to the CPU is on, else 0.
   */
  uint32_t c2c;
  /**
   * Size of the CPU's window onto the memory, in bytes.
   */
  uint64_t bar1;
} nacp_gpu_info;

/**
 * One of the numbers of a GPU: one of NACP_METRIC_POWER and the like, from 0 to NACP_METRIC_COUNT - 1.
 */
typedef uint32_t nacp_metric;

/**
 * A number that was read, or why there is none.
 */
typedef struct nacp_value {
  /**
   * sizeof(nacp_value); NACP_VALUE_INIT sets it.
   */
  uint32_t struct_size;
  /**
   * 1 when the value is known, else 0.
   */
  uint32_t known;
  /**
   * The number, in the metric's unit; 0 when it is not known.
   */
  double value;
  /**
   * Why it is not known, such as "not supported"; empty when it is.
   */
  char unknown[48];
} nacp_value;

/**
 * A partition of a GPU that programs can use. A field whose bit is not set in `known` means nothing.
 */
typedef struct nacp_mig_device {
  /**
   * sizeof(nacp_mig_device); NACP_MIG_DEVICE_INIT sets it.
   */
  uint32_t struct_size;
  /**
   * Its position among the partitions of its GPU.
   */
  uint32_t index;
  /**
   * Which fields are known: NACP_MIG_NAME and the like. UUID and index always are.
   */
  uint64_t known;
  /**
   * Its UUID, such as "MIG-…".
   */
  char uuid[80];
  /**
   * Its name.
   */
  char name[96];
  /**
   * Its profile, such as "1g.5gb".
   */
  char profile[32];
  /**
   * The id of its GPU instance.
   */
  uint32_t gpu_instance;
  /**
   * The id of its compute instance.
   */
  uint32_t compute_instance;
  /**
   * Its streaming multiprocessors.
   */
  uint32_t multiprocessors;
  /**
   * Always 0.
   */
  uint32_t reserved;
  /**
   * All of its memory, in bytes.
   */
  uint64_t memory_total;
  /**
   * Bytes allocated by programs (NACP_MIG_MEMORY_USE).
   */
  uint64_t memory_used;
  /**
   * Bytes not allocated (NACP_MIG_MEMORY_USE).
   */
  uint64_t memory_free;
} nacp_mig_device;

/**
 * A program that uses a GPU. A field whose bit is not set in `known` means nothing.
 */
typedef struct nacp_process {
  /**
   * sizeof(nacp_process); NACP_PROCESS_INIT sets it.
   */
  uint32_t struct_size;
  /**
   * The process id, in the namespace of the driver.
   */
  uint32_t pid;
  /**
   * Which fields are known: NACP_PROCESS_MEMORY and the like.
   */
  uint64_t known;
  /**
   * NACP_PROCESS_COMPUTE, NACP_PROCESS_GRAPHICS or NACP_PROCESS_BOTH.
   */
  uint32_t kind;
  /**
   * The id of the GPU instance that it runs on, the first of several (NACP_PROCESS_GPU_INSTANCE).
   */
  uint32_t gpu_instance;
  /**
   * The id of the compute instance in it (NACP_PROCESS_COMPUTE_INSTANCE).
   */
  uint32_t compute_instance;
  /**
   * Always 0.
   */
  uint32_t reserved;
  /**
   * Bytes of device memory that it holds (NACP_PROCESS_MEMORY); not told under WDDM and WSL2.
   */
  uint64_t memory;
  /**
   * Percent of the multiprocessors' time (NACP_PROCESS_UTILIZATION).
   */
  uint32_t utilization_sm;
  /**
   * Percent of the memory's time (NACP_PROCESS_UTILIZATION).
   */
  uint32_t utilization_memory;
} nacp_process;

/**
 * Who is behind a program. A field whose bit is not set in `known` means nothing.
 */
typedef struct nacp_owner {
  /**
   * sizeof(nacp_owner); NACP_OWNER_INIT sets it.
   */
  uint32_t struct_size;
  /**
   * The process id.
   */
  uint32_t pid;
  /**
   * Which fields are known: NACP_OWNER_COMMAND and the like.
   */
  uint64_t known;
  /**
   * The user's number.
   */
  uint32_t uid;
  /**
   * Always 0.
   */
  uint32_t reserved;
  /**
   * The program's name.
   */
  char command[32];
  /**
   * The user's name.
   */
  char user[64];
  /**
   * The id of its container; empty where it is in none.
   */
  char container[80];
  /**
   * The name of its container (NACP_OWNER_CONTAINER_NAME).
   */
  char container_name[256];
  /**
   * The UID of its pod; empty where it is in none.
   */
  char pod_uid[64];
  /**
   * The name of its pod.
   */
  char pod_name[256];
  /**
   * The namespace of its pod.
   */
  char pod_namespace[64];
} nacp_owner;

/**
 * What lies between two GPUs. A field whose bit is not set in `known` means nothing.
 */
typedef struct nacp_link {
  /**
   * sizeof(nacp_link); NACP_LINK_INIT sets it.
   */
  uint32_t struct_size;
  /**
   * What of the machine they have in common: NACP_ANCESTOR_BOARD and the like, in NVML's numbers.
   */
  uint32_t ancestor;
  /**
   * Which fields are known: NACP_LINK_ANCESTOR and the like.
   */
  uint64_t known;
  /**
   * NVLinks between them that are up; over a switch, those of the GPU with fewer.
   */
  uint32_t nvlinks;
  /**
   * 1 when the NVLinks lead over a switch, else 0 (NACP_LINK_NVLINKS).
   */
  uint32_t switched;
  /**
   * What the NVLinks carry in each direction, in megabytes (10^6) a second.
   */
  uint64_t bandwidth;
  /**
   * 1 when each can read the other's memory, else 0.
   */
  uint32_t peer;
  /**
   * 1 when they are near the same memory of the machine, else 0.
   */
  uint32_t same_numa;
  /**
   * 1 when they belong to one clique of an NVLink fabric, else 0.
   */
  uint32_t same_clique;
  /**
   * The oldest NVLink version among them, as the driver numbers it.
   */
  uint32_t nvlink_version;
} nacp_link;

/**
 * Something that happened.
 */
typedef struct nacp_event {
  /**
   * sizeof(nacp_event); NACP_EVENT_INIT sets it.
   */
  uint32_t struct_size;
  /**
   * What: NACP_EVENT_XID and the like. Be ready for numbers that are not here.
   */
  uint32_t kind;
  /**
   * The number that came with it: of the Xid or SXid (NACP_EVENT_XID, NACP_EVENT_SXID), or what the driver added
   * (NACP_EVENT_UNKNOWN); else 0.
   */
  uint64_t data;
  /**
   * The driver's bits (NACP_EVENT_UNKNOWN); else 0.
   */
  uint64_t bits;
  /**
   * When, in milliseconds since 1970-01-01 00:00 UTC.
   */
  int64_t at_ms;
  /**
   * Who told it: NACP_VIA_NVML and the like. Be ready for numbers that are not here.
   */
  uint32_t via;
  /**
   * What it is of: 0 the GPU as a whole, 1 one GPU instance, 2 one compute instance of it.
   */
  uint32_t part;
  /**
   * The id of the GPU instance (`part` 1 and 2).
   */
  uint32_t gpu_instance;
  /**
   * The id of the compute instance (`part` 2).
   */
  uint32_t compute_instance;
  /**
   * The UUID of the GPU; empty where the event is not of one.
   */
  char uuid[80];
  /**
   * What happened, in words.
   */
  char text[256];
} nacp_event;

/**
 * How often what is read. Zeros and NULLs stand for the defaults.
 *
 * Texts of fields are names with commas between them, such as "power,temperature"; "fast", "medium", "slow" and "all"
 * are groups. A field that two of them name is read as often as the faster one says.
 */
typedef struct nacp_telemetry_options {
  /**
   * sizeof(nacp_telemetry_options); NACP_TELEMETRY_OPTIONS_INIT sets it.
   */
  uint32_t struct_size;
  /**
   * Milliseconds from one reading of the fast fields to the next; 0 for 100.
   */
  uint32_t fast_ms;
  /**
   * The same for the medium fields; 0 for 1000.
   */
  uint32_t medium_ms;
  /**
   * The same for the slow fields; 0 for 10000.
   */
  uint32_t slow_ms;
  /**
   * For how many seconds readings are kept; 0 for 3600, NACP_NO_HISTORY for none.
   */
  uint32_t history_s;
  /**
   * How many updates wait for each subscriber before it loses the oldest; 0 for 64.
   */
  uint32_t buffer;
  /**
   * The most memory that the history may take, in MiB; 0 for 64. Options that need more are refused.
   */
  uint32_t memory_mib;
  /**
   * Always 0.
   */
  uint32_t reserved;
  /**
   * What is read most often; NULL for utilisation and power, "" for nothing.
   */
  const char *fast_fields;
  /**
   * What is read less often; NULL for memory, temperatures, clocks and energy.
   */
  const char *medium_fields;
  /**
   * What is read seldom; NULL for all the rest.
   */
  const char *slow_fields;
} nacp_telemetry_options;

/**
 * What one number did over a stretch of time, in the metric's unit. A field whose bit is not set in `known` means
 * nothing.
 */
typedef struct nacp_window {
  /**
   * sizeof(nacp_window); NACP_WINDOW_INIT sets it.
   */
  uint32_t struct_size;
  /**
   * Which fields are known: NACP_WINDOW_VALUES and the like.
   */
  uint32_t known;
  /**
   * Readings with a value.
   */
  uint64_t count;
  /**
   * Readings without one.
   */
  uint64_t unknown;
  /**
   * When the first reading was made, in milliseconds since 1970-01-01 00:00 UTC; 0 where there was none.
   */
  int64_t from_ms;
  /**
   * When the last one was made.
   */
  int64_t to_ms;
  /**
   * The first value.
   */
  double first;
  /**
   * The last value.
   */
  double last;
  /**
   * The smallest value.
   */
  double min;
  /**
   * The largest value.
   */
  double max;
  /**
   * The mean of all values.
   */
  double mean;
  /**
   * The median.
   */
  double p50;
  /**
   * The value that 99 of 100 do not exceed.
   */
  double p99;
  /**
   * By how much a counter rose (NACP_WINDOW_DELTA).
   */
  double delta;
  /**
   * How much it rose in a second (NACP_WINDOW_RATE).
   */
  double rate;
  /**
   * How often a counter fell, because the driver was loaded anew (NACP_WINDOW_DELTA).
   */
  uint64_t resets;
} nacp_window;

/**
 * How the reading fares.
 */
typedef struct nacp_telemetry_status {
  /**
   * sizeof(nacp_telemetry_status); NACP_TELEMETRY_STATUS_INIT sets it.
   */
  uint32_t struct_size;
  /**
   * How many subscribers there are.
   */
  uint32_t subscribers;
  /**
   * Ticks that read something.
   */
  uint64_t ticks;
  /**
   * Ticks that were passed over because the one before took too long.
   */
  uint64_t missed;
  /**
   * Ticks on which the driver did not answer.
   */
  uint64_t errors;
  /**
   * Updates that subscribers have lost because they were too slow.
   */
  uint64_t lagged;
  /**
   * How long the last tick took, in nanoseconds.
   */
  uint64_t duration_ns;
  /**
   * How long the longest tick took, in nanoseconds.
   */
  uint64_t longest_ns;
  /**
   * When the last tick was, in milliseconds since 1970-01-01 00:00 UTC; 0 before the first.
   */
  int64_t last_ms;
  /**
   * Whether it hears what happens to the GPUs: NACP_LISTENING_ON and the like. Only while it does, the absence of
   * events means something.
   */
  uint32_t listening;
  /**
   * Always 0.
   */
  uint32_t reserved;
  /**
   * Why the driver does not answer now; empty while it does.
   */
  char error[256];
  /**
   * Why it hears nothing (NACP_LISTENING_NOT_OFFERED, NACP_LISTENING_FAILING); else empty.
   */
  char deaf[256];
} nacp_telemetry_status;

/**
 * What a subscriber is told.
 */
typedef struct nacp_update {
  /**
   * sizeof(nacp_update); NACP_UPDATE_INIT sets it.
   */
  uint32_t struct_size;
  /**
   * What: NACP_UPDATE_SAMPLES and the like. Be ready for numbers that are not here.
   */
  uint32_t kind;
  /**
   * Which reading it was, from 1 (NACP_UPDATE_SAMPLES).
   */
  uint64_t tick;
  /**
   * How many updates were lost (NACP_UPDATE_LAGGED).
   */
  uint64_t lost;
  /**
   * When, in milliseconds since 1970-01-01 00:00 UTC (NACP_UPDATE_SAMPLES, NACP_UPDATE_EVENT).
   */
  int64_t at_ms;
  /**
   * The error or the event in words; empty for readings.
   */
  char text[256];
} nacp_update;

/**
 * Which machine is read, and what of it.
 *
 * ```c
 * nacp_survey_options options = NACP_SURVEY_OPTIONS_INIT;
 * options.program = "self";
 * ```
 */
typedef struct nacp_survey_options {
  /**
   * sizeof(nacp_survey_options); NACP_SURVEY_OPTIONS_INIT sets it.
   */
  uint32_t struct_size;
  /**
   * How long all may take together, in milliseconds; 0 for five seconds.
   */
  uint32_t limit_ms;
  /**
   * A folder laid out like the root of another machine; NULL for this machine. Nothing of this machine is asked then.
   */
  const char *root;
  /**
   * A simulated node whose GPUs and CUDA driver are read in place of this machine's: "NAME" or "FILE.json"; NULL for
   * this machine.
   */
  const char *simulated;
  /**
   * Who asks the driver's libraries: NULL for threads of this process, "self" for children that are this very program,
   * or the path of another program. Such a program calls nacp_probe_answer first in main. A library that hangs or
   * crashes takes only a child with it.
   */
  const char *program;
  /**
   * 1 to leave the container daemons' containers alone.
   */
  uint32_t no_containers;
  /**
   * 1 to start no programs that only tell something, such as "nvidia-ctk --version".
   */
  uint32_t no_commands;
  /**
   * 1 to start also programs that start the driver and change nothing: "nvidia-smi -L", and "nvidia-ctk cdi generate"
   * without a file.
   */
  uint32_t thorough;
  /**
   * Texts of events of pods, one a line, such as "kubectl describe pod" shows; NULL for none. No API server is asked.
   */
  const char *messages;
} nacp_survey_options;

/**
 * How to record. Zeros stand for the defaults.
 */
typedef struct nacp_record_options {
  /**
   * sizeof(nacp_record_options); NACP_RECORD_OPTIONS_INIT sets it.
   */
  uint32_t struct_size;
  /**
   * 1 to keep what identifies the machine and its programs; 0 to make up other UUIDs and to leave out serial numbers and
   * what else names a machine or a program, so that the file can be given away.
   */
  uint32_t keep_identity;
  /**
   * How hard zstd tries, 1 to 19; 0 for 9.
   */
  uint32_t level;
} nacp_record_options;

/**
 * What was written.
 */
typedef struct nacp_recorded {
  /**
   * sizeof(nacp_recorded); NACP_RECORDED_INIT sets it.
   */
  uint32_t struct_size;
  /**
   * Always 0.
   */
  uint32_t reserved;
  /**
   * Readings of the whole node.
   */
  uint64_t frames;
  /**
   * Events.
   */
  uint64_t events;
  /**
   * Updates that came faster than they could be written.
   */
  uint64_t lost;
  /**
   * The size of the file, in bytes.
   */
  uint64_t bytes;
} nacp_recorded;

/**
 * What may be done with a GPU, the worst of its conditions: NACP_VERDICT_HEALTHY and the like. The larger the worse.
 */
typedef uint32_t nacp_verdict;

/**
 * How healthy one GPU is. Its texts live as long as the health.
 */
typedef struct nacp_gpu_health {
  /**
   * sizeof(nacp_gpu_health); NACP_GPU_HEALTH_INIT sets it.
   */
  uint32_t struct_size;
  /**
   * What may be done with it, and with its partitions: NACP_VERDICT_HEALTHY and the like.
   */
  nacp_verdict verdict;
  /**
   * Its UUID.
   */
  const char *gpu;
  /**
   * Its name.
   */
  const char *name;
} nacp_gpu_health;

/**
 * How bad a condition is: NACP_SEVERITY_INFO and the like. The larger the worse.
 */
typedef uint32_t nacp_severity;

/**
 * Something that is wrong with a GPU or with the machine. Its texts live as long as what it was read from.
 */
typedef struct nacp_condition {
  /**
   * sizeof(nacp_condition); NACP_CONDITION_INIT sets it.
   */
  uint32_t struct_size;
  /**
   * What is wrong: NACP_CONDITION_HOT and the like. Be ready for numbers that are not here; `name` has a name for them.
   */
  uint32_t kind;
  /**
   * How bad it is: NACP_SEVERITY_WATCH and the like.
   */
  nacp_severity severity;
  /**
   * What it is of: 0 the GPU as a whole, 1 one GPU instance, 2 one compute instance of it.
   */
  uint32_t part;
  /**
   * The id of the GPU instance (`part` 1 and 2).
   */
  uint32_t gpu_instance;
  /**
   * The id of the compute instance (`part` 2).
   */
  uint32_t compute_instance;
  /**
   * The number of the Xid or SXid, or the bits of an unknown event; else 0.
   */
  uint64_t code;
  /**
   * When it was seen first, in milliseconds since 1970-01-01 00:00 UTC.
   */
  int64_t since_ms;
  /**
   * When it was seen last.
   */
  int64_t last_ms;
  /**
   * How often it was seen: readings that showed it, or events that told it.
   */
  uint64_t count;
  /**
   * The UUID of the GPU; NULL where it concerns the machine, or a GPU that the driver does not list.
   */
  const char *gpu;
  /**
   * What is wrong, by name, such as "hot": as in the thresholds.
   */
  const char *name;
  /**
   * What is wrong in one line, with the numbers.
   */
  const char *message;
  /**
   * What was read and where, a line each.
   */
  const char *evidence;
  /**
   * What has to be done, by name, such as "reset_gpu".
   */
  const char *action;
  /**
   * The same in words, such as "reset the GPU".
   */
  const char *action_text;
  /**
   * The command that does it; NULL where no single command does.
   */
  const char *command;
} nacp_condition;

/**
 * A GPU that should get no new work. Its texts live as long as the health.
 */
typedef struct nacp_cordon {
  /**
   * sizeof(nacp_cordon); NACP_CORDON_INIT sets it.
   */
  uint32_t struct_size;
  /**
   * NACP_VERDICT_DRAIN: move off what runs; NACP_VERDICT_UNUSABLE: nothing runs any more.
   */
  nacp_verdict verdict;
  /**
   * Its UUID.
   */
  const char *gpu;
  /**
   * Why: the message of the worst condition.
   */
  const char *reason;
  /**
   * What must be done before it may get work again, in words with "; " between them, for the worst condition first.
   */
  const char *until;
} nacp_cordon;

/**
 * A condition of which nobody can say whether it holds: it counts neither for nor against a GPU. Its texts live as long
 * as the health.
 */
typedef struct nacp_unchecked {
  /**
   * sizeof(nacp_unchecked); NACP_UNCHECKED_INIT sets it.
   */
  uint32_t struct_size;
  /**
   * Which condition: NACP_CONDITION_HOT and the like.
   */
  uint32_t kind;
  /**
   * The UUID of the GPU; NULL where it concerns the machine.
   */
  const char *gpu;
  /**
   * Which condition, by name.
   */
  const char *name;
  /**
   * Why, such as "not supported".
   */
  const char *reason;
} nacp_unchecked;

/**
 * What is evaluated, and how.
 *
 * ```c
 * nacp_evaluate_options options = NACP_EVALUATE_OPTIONS_INIT;
 * options.weights = "throughput=3,parity=0";
 * ```
 */
typedef struct nacp_evaluate_options {
  /**
   * sizeof(nacp_evaluate_options); NACP_EVALUATE_OPTIONS_INIT sets it.
   */
  uint32_t struct_size;
  /**
   * How much of CUDA is checked: NACP_LEVEL_QUICK and the like.
   */
  uint32_t level;
  /**
   * What nacp_survey_json gave; NULL to read this machine now, in threads.
   */
  const char *survey;
  /**
   * A simulated node whose driver is checked in place of this machine's: "NAME" or "FILE.json"; NULL for this machine.
   */
  const char *simulated;
  /**
   * Who asks the driver: NULL for threads of this process, "self" for children that are this very program, or the path
   * of another program. Such a program calls nacp_probe_answer first in main.
   */
  const char *program;
  /**
   * How much each criterion counts, as NAME=NUMBER with commas between them, such as "throughput=3,parity=0"; what is
   * not named counts 1. NULL for 1 each.
   */
  const char *weights;
  /**
   * An image that is run once on each way in which the engines here can give it a GPU; NULL to run nothing.
   */
  const char *image;
  /**
   * What nacp_evaluate_json gave on native Linux with the same GPU: throughput and overhead are ratios to it. NULL for
   * none.
   */
  const char *reference;
  /**
   * The text of a lock: how much of a run is pinned. NULL for what a lock of this machine could pin now.
   */
  const char *lock;
  /**
   * How long reading the machine, the checks of CUDA and the runs of the image may take together, in milliseconds; 0 for
   * a limit of each of its own.
   */
  uint32_t limit_ms;
} nacp_evaluate_options;

/**
 * What one check found. Its texts live as long as the report, or until the listener returns.
 */
typedef struct nacp_check_result {
  /**
   * sizeof(nacp_check_result); NACP_CHECK_RESULT_INIT sets it.
   */
  uint32_t struct_size;
  /**
   * How it ended: NACP_CHECK_PASS and the like.
   */
  uint32_t status;
  /**
   * Which check, such as "det.bits".
   */
  const char *id;
  /**
   * The UUID of the device; NULL where it is about the machine.
   */
  const char *device;
  /**
   * Why it did not pass, and what can be done; NULL where it did.
   */
  const char *reason;
  /**
   * The call that the driver refused; NULL where it refused none.
   */
  const char *call;
  /**
   * The driver's number (CUresult) of that refusal; 0 where there is none.
   */
  int32_t code;
  /**
   * Why it was not done: NACP_SKIP_DEADLINE and the like; 0 where it was.
   */
  uint32_t skip;
  /**
   * How long it took, in seconds.
   */
  double seconds;
  /**
   * How many values were measured; nacp_report_metric_at tells them.
   */
  size_t metrics;
} nacp_check_result;

/**
 * What a check tells while it goes on.
 */
typedef struct nacp_check_step {
  /**
   * sizeof(nacp_check_step) as the library knows it: what lies beyond is not there.
   */
  uint32_t struct_size;
  /**
   * How many results there are already.
   */
  uint32_t done;
  /**
   * How many there will be. It grows once, when the devices are known.
   */
  uint32_t total;
  /**
   * 0 when the check begins, 1 when it has ended.
   */
  uint32_t ended;
  /**
   * Which check, such as "det.bits".
   */
  const char *id;
  /**
   * The UUID of the device; NULL where it is about the machine.
   */
  const char *device;
  /**
   * What it found; NULL while it has not ended.
   */
  const struct nacp_check_result *result;
} nacp_check_step;

/**
 * Is told of each step, on the thread that called nacp_check. What it is given lives until it returns.
 *
 * It returns 0 to go on; anything else ends the run soon, and what was not done is skipped.
 */
typedef int32_t (*nacp_check_listener)(const struct nacp_check_step *step, void *user);

/**
 * What is checked, and how.
 *
 * ```c
 * nacp_check_options options = NACP_CHECK_OPTIONS_INIT;
 * options.level = NACP_LEVEL_STANDARD;
 * options.program = "self";
 * ```
 */
typedef struct nacp_check_options {
  /**
   * sizeof(nacp_check_options); NACP_CHECK_OPTIONS_INIT sets it.
   */
  uint32_t struct_size;
  /**
   * How much: NACP_LEVEL_QUICK and the like.
   */
  uint32_t level;
  /**
   * The UUIDs of the devices to check, with commas between them; NULL for all.
   */
  const char *devices;
  /**
   * The names of the checks, with commas between them, such as "det.bits,mem.pattern"; NULL for all of the level. What
   * they build on is done too.
   */
  const char *checks;
  /**
   * The file of the driver's library; NULL for the one that the loader finds.
   */
  const char *library;
  /**
   * A simulated node whose driver is checked in place of this machine's: "NAME" or "FILE.json"; NULL for this machine.
   */
  const char *simulated;
  /**
   * Who runs the checks: NULL for a thread of this process, "self" for children that are this very program, or the path
   * of another program. Such a program calls nacp_probe_answer first in main. A driver that hangs or crashes takes only
   * a child with it.
   */
  const char *program;
  /**
   * The CUDA version that your programs were built with, such as "12.8": drv.runtime_fit says whether the driver serves
   * it; NULL for none.
   */
  const char *cuda;
  /**
   * The architectures that your programs are compiled for, with commas between them, such as "sm_80,sm_90a":
   * dev.arch_fit says whether a device runs them; NULL for none.
   */
  const char *sass;
  /**
   * The PTX that your programs bring, by its version and target, such as "8.0:compute_80"; NULL for none.
   */
  const char *ptx;
  /**
   * How long all may take together, in milliseconds; 0 for the limit of the level, for each device.
   */
  uint32_t limit_ms;
  /**
   * 1 to do the checks of NACP_LEVEL_FULL also on a device on which others compute.
   */
  uint32_t even_if_busy;
  /**
   * Who is told of each step; NULL for nobody.
   */
  nacp_check_listener listener;
  /**
   * What the listener is given beside the step.
   */
  void *user;
} nacp_check_options;

/**
 * One measured value. Its texts live as long as the report.
 */
typedef struct nacp_check_metric {
  /**
   * sizeof(nacp_check_metric); NACP_CHECK_METRIC_INIT sets it.
   */
  uint32_t struct_size;
  /**
   * How often it was measured.
   */
  uint32_t n;
  /**
   * What, such as "pinned".
   */
  const char *name;
  /**
   * Its unit, such as "bytes_per_second".
   */
  const char *unit;
  /**
   * How a value that is computed comes about; NULL where it was measured.
   */
  const char *formula;
  /**
   * The value: the median where it was measured more than once.
   */
  double value;
  /**
   * What 99 of 100 stay below; NaN where it was measured once.
   */
  double p99;
} nacp_check_metric;

/**
 * What an engine is and what it offers.
 */
typedef struct nacp_engine_info {
  /**
   * sizeof(nacp_engine_info); NACP_ENGINE_INFO_INIT sets it.
   */
  uint32_t struct_size;
  /**
   * 1 when its containers are made up, else 0.
   */
  uint32_t simulated;
  /**
   * How many CDI devices of the kind nvidia.com/gpu it can give to containers.
   */
  uint32_t cdi_devices;
  /**
   * 1 when it has a runtime named nvidia, else 0.
   */
  uint32_t nvidia_runtime;
  /**
   * What it calls itself, such as "Docker Engine".
   */
  char name[64];
  /**
   * Its version.
   */
  char version[64];
  /**
   * The newest API version that it speaks; empty when it does not tell.
   */
  char api[16];
  /**
   * Where it was reached.
   */
  char address[256];
  /**
   * The oldest API version that it still speaks; empty when it does not tell.
   */
  char min_api[16];
  /**
   * The context of the command docker by which it was found; empty for another way.
   */
  char context[64];
  /**
   * 1 when it is Podman, else 0.
   */
  uint32_t podman;
  /**
   * 1 when it runs without the rights of root, else 0.
   */
  uint32_t rootless;
} nacp_engine_info;

/**
 * One action of a plan. Its texts live as long as the plan.
 */
typedef struct nacp_action {
  /**
   * sizeof(nacp_action); NACP_ACTION_INIT sets it.
   */
  uint32_t struct_size;
  /**
   * Actions of one wave are done together; a wave begins when everything of the one before is ready.
   */
  uint32_t wave;
  /**
   * The replica's number, from 0.
   */
  uint32_t replica;
  /**
   * What is done: a nacp_step.
   */
  int32_t step;
  /**
   * The service.
   */
  const char *service;
  /**
   * Why.
   */
  const char *reason;
  /**
   * The UUIDs of the replica's GPUs, separated by commas; empty for none.
   */
  const char *gpus;
} nacp_action;

/**
 * Something that happened to an app.
 */
typedef struct nacp_app_event {
  /**
   * sizeof(nacp_app_event); NACP_APP_EVENT_INIT sets it.
   */
  uint32_t struct_size;
  /**
   * What: NACP_APP_EVENT_READY and the like. Be ready for numbers that are not here.
   */
  uint32_t kind;
  /**
   * When, in milliseconds since 1970-01-01 00:00 UTC.
   */
  int64_t at_ms;
  /**
   * The replica's number; -1 where it is not of one.
   */
  int64_t replica;
  /**
   * A time in seconds, as the kind says; 0 where it has none.
   */
  double seconds;
  /**
   * Bytes that have arrived (NACP_APP_EVENT_PULLING), or a number of events (NACP_APP_EVENT_LOST); else 0.
   */
  uint64_t done;
  /**
   * Bytes that there are, as far as is known (NACP_APP_EVENT_PULLING); else 0.
   */
  uint64_t total;
  /**
   * The exit code (NACP_APP_EVENT_ENDED); -1 where it is not known.
   */
  int64_t exit_code;
  /**
   * The app.
   */
  char app[48];
  /**
   * The service; empty where it is not of one.
   */
  char service[48];
  /**
   * What happened, in words, cut where it is long; nacp_kept_event_json has all of it.
   */
  char text[512];
} nacp_app_event;

/**
 * One replica. Its texts live as long as the nacp_replicas.
 */
typedef struct nacp_replica {
  /**
   * sizeof(nacp_replica); NACP_REPLICA_INIT sets it.
   */
  uint32_t struct_size;
  /**
   * The replica's number, from 0.
   */
  uint32_t replica;
  /**
   * 1 when it runs and answers its probe, else 0.
   */
  uint32_t ready;
  /**
   * Always 0.
   */
  uint32_t reserved;
  /**
   * Bytes of memory promised to it on each of its GPUs.
   */
  uint64_t memory;
  /**
   * The service.
   */
  const char *service;
  /**
   * The name of its container.
   */
  const char *name;
  /**
   * The image.
   */
  const char *image;
  /**
   * The model that it serves; NULL when the service names none.
   */
  const char *model;
  /**
   * What its container is doing, such as "running" or "exited (1)".
   */
  const char *state;
  /**
   * Where it answers, as "127.0.0.1:8000"; NULL when it does not.
   */
  const char *address;
  /**
   * The UUIDs of its GPUs, separated by commas; empty for none.
   */
  const char *gpus;
  /**
   * How the GPUs got into the container; NULL when it has none.
   */
  const char *gpu_injection;
} nacp_replica;

/**
 * How a gateway is started.
 */
typedef struct nacp_gateway_options {
  /**
   * sizeof(nacp_gateway_options); NACP_GATEWAY_OPTIONS_INIT sets it.
   */
  uint32_t struct_size;
  /**
   * The port; 0 for any that is free.
   */
  uint32_t port;
  /**
   * The IP address to listen on; NULL for 127.0.0.1. Any but a loopback address needs a key.
   */
  const char *address;
  /**
   * The key that clients send as "Authorization: Bearer KEY"; NULL for none.
   */
  const char *api_key;
} nacp_gateway_options;

/**
 * What is to be told in metrics. Zeros and NULLs leave out what they stand for.
 */
typedef struct nacp_metrics_options {
  /**
   * sizeof(nacp_metrics_options); NACP_METRICS_OPTIONS_INIT sets it.
   */
  uint32_t struct_size;
  /**
   * 1 to leave out the replicas, so that no engine is needed.
   */
  uint32_t gpus_only;
  /**
   * 1 to tell whose the processes on the GPUs are, and who has a GPU for itself.
   */
  uint32_t processes;
  /**
   * 1 to tell how healthy the GPUs are.
   */
  uint32_t health;
  /**
   * The name of the machine; NULL for none.
   */
  const char *hostname;
  /**
   * The label under which it stands: NULL or "hostname", "Hostname" as in dcgm-exporter until 4.5.3, "both", "none".
   */
  const char *hostname_label;
  /**
   * From where on something counts in the health, as YAML or JSON text; NULL for the defaults.
   */
  const char *thresholds;
  /**
   * Whose last readings to tell, with how the reading fares, instead of asking the driver: a scrape never waits for it
   * then. NULL to read the GPUs of the context now.
   */
  const struct nacp_telemetry *telemetry;
} nacp_metrics_options;

/**
 * Percent of the time in which a kernel was running.
 */
#define NACP_METRIC_GPU_UTILIZATION 0

/**
 * Percent of the time in which memory was read or written.
 */
#define NACP_METRIC_MEMORY_UTILIZATION 1

/**
 * Power drawn by the board, in watts.
 */
#define NACP_METRIC_POWER 2

/**
 * The limit at which the board is held, in watts.
 */
#define NACP_METRIC_POWER_LIMIT 3

/**
 * Energy used since the driver was loaded, in joules.
 */
#define NACP_METRIC_ENERGY 4

/**
 * Temperature of the die, in degrees Celsius.
 */
#define NACP_METRIC_TEMPERATURE 5

/**
 * Temperature of the memory, in degrees Celsius.
 */
#define NACP_METRIC_MEMORY_TEMPERATURE 6

/**
 * Degrees Celsius below the temperature at which it slows down.
 */
#define NACP_METRIC_MARGIN 7

/**
 * Memory allocated by programs, in bytes.
 */
#define NACP_METRIC_MEMORY_USED 8

/**
 * Memory not allocated, in bytes.
 */
#define NACP_METRIC_MEMORY_FREE 9

/**
 * Memory kept by driver and firmware, in bytes.
 */
#define NACP_METRIC_MEMORY_RESERVED 10

/**
 * The graphics clock, in MHz.
 */
#define NACP_METRIC_GRAPHICS_CLOCK 11

/**
 * The clock of the multiprocessors, in MHz.
 */
#define NACP_METRIC_SM_CLOCK 12

/**
 * The memory clock, in MHz.
 */
#define NACP_METRIC_MEMORY_CLOCK 13

/**
 * The video clock, in MHz.
 */
#define NACP_METRIC_VIDEO_CLOCK 14

/**
 * The performance state, from 0.
 */
#define NACP_METRIC_PERFORMANCE 15

/**
 * Percent of the time in which the encoder was at work.
 */
#define NACP_METRIC_ENCODER 16

/**
 * Percent of the time in which the decoder was at work.
 */
#define NACP_METRIC_DECODER 17

/**
 * Percent of the time in which the JPEG decoder was at work.
 */
#define NACP_METRIC_JPEG 18

/**
 * Percent of the time in which the optical-flow unit was at work.
 */
#define NACP_METRIC_OPTICAL_FLOW 19

/**
 * The fastest fan, in percent.
 */
#define NACP_METRIC_FAN 20

/**
 * Memory of the CPU's window in use, in bytes.
 */
#define NACP_METRIC_BAR1_USED 21

/**
 * The PCIe generation.
 */
#define NACP_METRIC_PCIE_GENERATION 22

/**
 * The PCIe width, in lanes.
 */
#define NACP_METRIC_PCIE_WIDTH 23

/**
 * PCIe packets sent again.
 */
#define NACP_METRIC_PCIE_REPLAYS 24

/**
 * Bytes sent over PCIe.
 */
#define NACP_METRIC_PCIE_SENT 25

/**
 * Bytes received over PCIe.
 */
#define NACP_METRIC_PCIE_RECEIVED 26

/**
 * Bytes sent over NVLink.
 */
#define NACP_METRIC_NVLINK_SENT 27

/**
 * Bytes received over NVLink.
 */
#define NACP_METRIC_NVLINK_RECEIVED 28

/**
 * NVLinks that are up.
 */
#define NACP_METRIC_NVLINK_ACTIVE 29

/**
 * Memory errors corrected since the driver was loaded.
 */
#define NACP_METRIC_ECC_CORRECTED 30

/**
 * Memory errors not corrected since the driver was loaded.
 */
#define NACP_METRIC_ECC_UNCORRECTED 31

/**
 * Rows remapped because of correctable errors.
 */
#define NACP_METRIC_ROWS_CORRECTABLE 32

/**
 * Rows remapped because of uncorrectable errors.
 */
#define NACP_METRIC_ROWS_UNCORRECTABLE 33

/**
 * Programs that use the GPU.
 */
#define NACP_METRIC_PROCESSES 34

/**
 * Seconds that the clocks were held back by the power limit.
 */
#define NACP_METRIC_SLOWDOWN_POWER 35

/**
 * Seconds that the clocks were held back by temperature.
 */
#define NACP_METRIC_SLOWDOWN_THERMAL 36

/**
 * Share of the time in which any engine was active, 0 to 1.
 */
#define NACP_METRIC_GRAPHICS_ACTIVE 37

/**
 * Share of the time in which the multiprocessors were active, 0 to 1.
 */
#define NACP_METRIC_SM_ACTIVE 38

/**
 * Warps resident on the multiprocessors, as a share of the most, 0 to 1.
 */
#define NACP_METRIC_SM_OCCUPANCY 39

/**
 * Share of the time in which the tensor cores were active, 0 to 1.
 */
#define NACP_METRIC_TENSOR_ACTIVE 40

/**
 * Share of the time in which the memory interface was active, 0 to 1.
 */
#define NACP_METRIC_DRAM_ACTIVE 41

/**
 * How many metrics this header knows; a newer library may know more.
 */
#define NACP_METRIC_COUNT 42

/**
 * No metric.
 */
#define NACP_METRIC_NONE UINT32_MAX

/**
 * Worth knowing; the GPU is as healthy as without it.
 */
#define NACP_SEVERITY_INFO 0

/**
 * It works, and somebody should look at it.
 */
#define NACP_SEVERITY_WATCH 1

/**
 * Give it no new work, and move off what runs.
 */
#define NACP_SEVERITY_DRAIN 2

/**
 * It does not work.
 */
#define NACP_SEVERITY_UNUSABLE 3

/**
 * Nothing that was checked speaks against it.
 */
#define NACP_VERDICT_HEALTHY 0

/**
 * It can be used; something should be looked at.
 */
#define NACP_VERDICT_WATCH 1

/**
 * It should get no new work, and what runs should move.
 */
#define NACP_VERDICT_DRAIN 2

/**
 * It cannot be used.
 */
#define NACP_VERDICT_UNUSABLE 3

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/* ==== Which library this is ==== */

/**
 * The version of the binary interface of the library that is loaded. A program compares it with NACP_ABI_VERSION, the
 * version that it was compiled with.
 */
uint32_t nacp_abi_version(void);

/**
 * The version of the library that is loaded, such as "0.1.0"; NACP_VERSION is the one of the header.
 *
 * @return text that is always valid and never freed
 */
const char *nacp_version_string(void);

/* ==== What a call answers ==== */

/**
 * The name of a status, such as "NACP_E_TIMEOUT"; "NACP_E_UNKNOWN" for a number that this library does not know.
 *
 * @param status a status
 * @return text that is always valid and never freed
 */
const char *nacp_status_name(int32_t status);

/* ==== Text that the caller owns ==== */

/**
 * Frees a text and empties it. A NULL and an empty text are no error, nor is freeing twice.
 *
 * @param string the text, whose fields are as the library set them
 */
void nacp_string_free(struct nacp_string *string);

/* ==== The context: everything else comes from it ==== */

/**
 * Makes a context. It looks for neither GPUs nor an engine before they are needed, so that it succeeds on a machine that
 * has none of them.
 *
 * @param options how; NULL for this machine's GPUs and Docker
 * @param[out] ctx the context, freed by nacp_ctx_free; NULL on failure
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_INVALID_ARGUMENT for an option that cannot be, and for a file that is no recording or no node file;
 *         NACP_E_NOT_FOUND for a simulated node or a file that is not there; NACP_E_RESOURCE_EXHAUSTED when no thread can
 *         be started
 */
nacp_status nacp_ctx_new(const struct nacp_ctx_options *options,
                         struct nacp_ctx **ctx,
                         struct nacp_error *error);

/**
 * Frees a context. Nodes, routers, gateways and whatever else came from it stay usable until they are freed themselves. What
 * runs in Docker goes on running; what is simulated ends with the last of them.
 *
 * @param ctx the context; NULL does nothing
 */
void nacp_ctx_free(struct nacp_ctx *ctx);

/* ==== What a child process of the library does ==== */

/**
 * Reads the GPUs of this machine and reports, or runs checks of CUDA, if this process was started to by another that uses
 * this library; else it does nothing. A program that names itself or is named as a guard (nacp_ctx_options.guard) or as
 * the program of checks (nacp_check_options.program) calls it first in main, before anything prints:
 *
 * ```c
 * if (nacp_probe_answer()) return 0;
 * ```
 *
 * The report goes to the standard output. Should the driver's library crash or hang here, the process that asked is told
 * so: NACP_E_DRIVER_UNAVAILABLE with `cause=crashed` and the signal, or NACP_E_TIMEOUT with `cause=hung`.
 *
 * @return 1 when this process was started to answer: there is nothing left to do for it, and it should end; else 0
 */
uint32_t nacp_probe_answer(void);

/* ==== The GPUs of a node ==== */

/**
 * Finds the GPUs of the context's node and reads them once.
 *
 * @param ctx the context
 * @param[out] node the node, freed by nacp_node_free; NULL on failure
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_DRIVER_UNAVAILABLE when there is no usable NVIDIA driver; a driver without a GPU is no error. Behind a guard
 *         (nacp_ctx_options.guard) also NACP_E_DRIVER_UNAVAILABLE with `cause=crashed` and NACP_E_TIMEOUT with `cause=hung`
 *         for a driver that would have done that here
 */
nacp_status nacp_discover(const struct nacp_ctx *ctx,
                          struct nacp_node **node,
                          struct nacp_error *error);

/**
 * Reads again what the GPUs are doing. What they are stays as it was read first: nacp_node_reread reads that too. On
 * failure the node keeps what it had.
 *
 * @param node the node, used by no other call
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_DRIVER_UNAVAILABLE when the driver stopped answering as a whole
 */
nacp_status nacp_node_refresh(struct nacp_node *node,
                              struct nacp_error *error);

/**
 * Reads everything again: also what the GPUs are, how they reach each other, and which there are. Their order may change,
 * and so may indices. On failure the node keeps what it had; what was started from it goes on with what it knew.
 *
 * @param node the node, used by no other call
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_DRIVER_UNAVAILABLE when the driver stopped answering as a whole
 */
nacp_status nacp_node_reread(struct nacp_node *node,
                             struct nacp_error *error);

/**
 * Tells what a node is read from, and whether it is simulated.
 *
 * @param node the node
 * @param[out] info a struct that NACP_NODE_INFO_INIT has initialised
 * @param[out] error what went wrong; NULL if the caller does not care
 */
nacp_status nacp_node_describe(const struct nacp_node *node,
                               struct nacp_node_info *info,
                               struct nacp_error *error);

/**
 * The number of GPUs of a node; 0 for NULL.
 *
 * @param node the node
 */
size_t nacp_node_gpu_count(const struct nacp_node *node);

/**
 * Tells what one GPU is and what it was doing when the node was last read.
 *
 * @param node the node
 * @param index which, from 0 to nacp_node_gpu_count - 1: the position in this node, as wherever a function takes an index
 *        of a GPU; nacp_gpu.index is the driver's own number, which is only for display
 * @param[out] gpu a struct that NACP_GPU_INIT has initialised
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_NOT_FOUND when there is no such index
 */
nacp_status nacp_node_gpu_at(const struct nacp_node *node,
                             size_t index,
                             struct nacp_gpu *gpu,
                             struct nacp_error *error);

/**
 * Everything that was read of a node, as JSON: a value that is unknown is {"unknown": "why"}.
 *
 * @param node the node
 * @param[out] json the text, freed by nacp_string_free
 * @param[out] error what went wrong; NULL if the caller does not care
 */
nacp_status nacp_node_snapshot_json(const struct nacp_node *node,
                                    struct nacp_string *json,
                                    struct nacp_error *error);

/**
 * What every call to the driver was answered with on every GPU, as JSON: the evidence behind each unknown value.
 *
 * @param node the node
 * @param[out] json the text, freed by nacp_string_free
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_DRIVER_UNAVAILABLE when the driver stopped answering as a whole
 */
nacp_status nacp_node_support_json(const struct nacp_node *node,
                                   struct nacp_string *json,
                                   struct nacp_error *error);

/**
 * Frees a node.
 *
 * @param node the node; NULL does nothing
 */
void nacp_node_free(struct nacp_node *node);

/* ==== What a GPU is: the part of it that does not change ==== */

/**
 * Tells what one GPU is.
 *
 * @param node the node
 * @param index which, from 0 to nacp_node_gpu_count - 1
 * @param[out] info a struct that NACP_GPU_INFO_INIT has initialised
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_NOT_FOUND when there is no such index
 */
nacp_status nacp_node_gpu_info_at(const struct nacp_node *node,
                                  size_t index,
                                  struct nacp_gpu_info *info,
                                  struct nacp_error *error);

/* ==== The numbers of a GPU, each by its own number: for programs that treat all alike ==== */

/**
 * The name of a metric, the same in Rust and Python.
 *
 * @param metric which
 * @return text that lives as long as the program; NULL when there is no such metric
 */
const char *nacp_metric_name(nacp_metric metric);

/**
 * The unit of a metric's values, such as "W"; empty for plain numbers.
 *
 * @param metric which
 * @return text that lives as long as the program; NULL when there is no such metric
 */
const char *nacp_metric_unit(nacp_metric metric);

/**
 * The metric of a name.
 *
 * @param name the name, such as "power"
 * @param[out] metric its number; NACP_METRIC_NONE on failure
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_INVALID_ARGUMENT when there is none of this name, with the nearest that there is
 */
nacp_status nacp_metric_named(const char *name, nacp_metric *metric, struct nacp_error *error);

/**
 * Tells whether a metric only rises, so that its difference over a time means something: 1 for such a counter, else 0.
 *
 * @param metric which
 */
uint32_t nacp_metric_is_counter(nacp_metric metric);

/**
 * Tells one number of a GPU as it was when the node was last read.
 *
 * @param node the node
 * @param index which GPU, from 0 to nacp_node_gpu_count - 1
 * @param metric which number, such as NACP_METRIC_POWER
 * @param[out] value a struct that NACP_VALUE_INIT has initialised
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_OK also for a number that is not known: `value` says why; NACP_E_NOT_FOUND when there is no such index,
 *         NACP_E_INVALID_ARGUMENT when there is no such metric
 */
nacp_status nacp_node_value(const struct nacp_node *node,
                            size_t index,
                            nacp_metric metric,
                            struct nacp_value *value,
                            struct nacp_error *error);

/* ==== The partitions of a GPU ==== */

/**
 * The number of partitions of a GPU that programs can use; 0 for NULL, for an index that is not there, and for a GPU
 * without partitions.
 *
 * @param node the node
 * @param index which GPU, from 0 to nacp_node_gpu_count - 1
 */
size_t nacp_node_mig_count(const struct nacp_node *node,
                           size_t index);

/**
 * Tells one partition of a GPU.
 *
 * @param node the node
 * @param index which GPU, from 0 to nacp_node_gpu_count - 1
 * @param at which partition, from 0 to nacp_node_mig_count - 1
 * @param[out] device a struct that NACP_MIG_DEVICE_INIT has initialised
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_NOT_FOUND when there is no such index
 */
nacp_status nacp_node_mig_at(const struct nacp_node *node,
                             size_t index,
                             size_t at,
                             struct nacp_mig_device *device,
                             struct nacp_error *error);

/* ==== The programs that use a GPU ==== */

/**
 * The number of programs that use a GPU, as it was when the node was last read; 0 for NULL, for an index that is not
 * there, and where the driver does not tell: NACP_METRIC_PROCESSES tells these apart.
 *
 * @param node the node
 * @param index which GPU, from 0 to nacp_node_gpu_count - 1
 */
size_t nacp_node_process_count(const struct nacp_node *node,
                               size_t index);

/**
 * Tells one program that uses a GPU.
 *
 * @param node the node
 * @param index which GPU, from 0 to nacp_node_gpu_count - 1
 * @param at which program, from 0 to nacp_node_process_count - 1
 * @param[out] process a struct that NACP_PROCESS_INIT has initialised
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_NOT_FOUND when there is no such index
 */
nacp_status nacp_node_process_at(const struct nacp_node *node,
                                 size_t index,
                                 size_t at,
                                 struct nacp_process *process,
                                 struct nacp_error *error);

/* ==== Who is behind the programs that use a GPU ==== */

/**
 * Tells who is behind a process id of this machine, as /proc has it: so also where several containers share a GPU.
 *
 * @param ctx the context whose engine is asked for the name of the container, if there is one; NULL to ask nobody
 * @param pid the process id, as nacp_process has it
 * @param[out] owner a struct that NACP_OWNER_INIT has initialised
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_OK also for a process that is not there: nothing is known then; or what the engine answers
 */
nacp_status nacp_owner_of(const struct nacp_ctx *ctx,
                          uint32_t pid,
                          struct nacp_owner *owner,
                          struct nacp_error *error);

/**
 * The programs on all GPUs of a node, with who is behind each, as JSON. The ids of simulated GPUs and of recordings are of
 * no machine or of another: nobody is looked for behind them.
 *
 * @param node the node
 * @param ctx the context whose engine is asked for the names of the containers, if there are any; NULL to ask nobody
 * @param[out] json the text, freed by nacp_string_free
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_DRIVER_UNAVAILABLE when the driver stopped answering as a whole, or what the engine answers
 */
nacp_status nacp_node_processes_json(const struct nacp_node *node,
                                     const struct nacp_ctx *ctx,
                                     struct nacp_string *json,
                                     struct nacp_error *error);

/* ==== How the GPUs of a node reach each other ==== */

/**
 * Tells what lies between two GPUs.
 *
 * @param node the node
 * @param a one of them, from 0 to nacp_node_gpu_count - 1
 * @param b the other
 * @param[out] link a struct that NACP_LINK_INIT has initialised
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_NOT_FOUND when there is no such index; NACP_E_INVALID_ARGUMENT when both are one
 */
nacp_status nacp_node_link(const struct nacp_node *node,
                           size_t a,
                           size_t b,
                           struct nacp_link *link,
                           struct nacp_error *error);

/**
 * Chooses the GPUs whose links to each other are the best in sum, for work that is spread over several.
 *
 * @param node the node
 * @param count how many
 * @param[out] indices room for `count` indices, which are in ascending order then; untouched on failure
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_RESOURCE_EXHAUSTED when there are not so many
 */
nacp_status nacp_node_best_group(const struct nacp_node *node,
                                 size_t count,
                                 size_t *indices,
                                 struct nacp_error *error);

/**
 * How all GPUs of a node reach each other, as JSON: the GPUs with what is near them, and a link for each two.
 *
 * @param node the node
 * @param[out] json the text, freed by nacp_string_free
 * @param[out] error what went wrong; NULL if the caller does not care
 */
nacp_status nacp_node_topology_json(const struct nacp_node *node,
                                    struct nacp_string *json,
                                    struct nacp_error *error);

/**
 * The same as a matrix for people, as `nvidia-smi topo -m` shows it.
 *
 * @param node the node
 * @param[out] text the text, freed by nacp_string_free
 * @param[out] error what went wrong; NULL if the caller does not care
 */
nacp_status nacp_node_topology_text(const struct nacp_node *node,
                                    struct nacp_string *text,
                                    struct nacp_error *error);

/* ==== What happens to the GPUs, as it happens ==== */

/**
 * Begins to listen for what happens to the GPUs of a node. What happened before is not told.
 *
 * @param node the node
 * @param[out] events the wait, freed by nacp_events_free; NULL on failure
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_UNSUPPORTED where nothing of the kind is told, as under WSL2
 */
nacp_status nacp_events_open(const struct nacp_node *node,
                             struct nacp_events **events,
                             struct nacp_error *error);

/**
 * Waits for the next event. The calling thread stands still meanwhile. With a limit of 0 it only looks.
 *
 * @param events the wait, used by no other call
 * @param limit_ms how long to wait, in milliseconds
 * @param[out] event a struct that NACP_EVENT_INIT has initialised
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_TIMEOUT when nothing happened within the limit
 */
nacp_status nacp_events_next(struct nacp_events *events,
                             uint32_t limit_ms,
                             struct nacp_event *event,
                             struct nacp_error *error);

/**
 * Stops listening.
 *
 * @param events the wait; NULL does nothing
 */
void nacp_events_free(struct nacp_events *events);

/* ==== The numbers of the GPUs over time ==== */

/**
 * Begins to read the GPUs of a node at a steady pace.
 *
 * @param node the node
 * @param options how often what; NULL for the defaults
 * @param[out] telemetry the readings, ended and freed by nacp_telemetry_free; NULL on failure
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_INVALID_ARGUMENT for an option that cannot be, with the values that it may have
 */
nacp_status nacp_telemetry_start(const struct nacp_node *node,
                                 const struct nacp_telemetry_options *options,
                                 struct nacp_telemetry **telemetry,
                                 struct nacp_error *error);

/**
 * Tells the last reading of one number of a GPU.
 *
 * @param telemetry the readings
 * @param index which GPU, in the order of the node
 * @param metric which number, such as NACP_METRIC_POWER
 * @param[out] value a struct that NACP_VALUE_INIT has initialised
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_OK also for a number that is not known, or not read yet: `value` says why; NACP_E_NOT_FOUND when there is no
 *         such index, NACP_E_INVALID_ARGUMENT when there is no such metric
 */
nacp_status nacp_telemetry_value(const struct nacp_telemetry *telemetry,
                                 size_t index,
                                 nacp_metric metric,
                                 struct nacp_value *value,
                                 struct nacp_error *error);

/**
 * Tells what one number of a GPU did over a stretch of time that ends with the last reading.
 *
 * @param telemetry the readings
 * @param index which GPU, in the order of the node
 * @param metric which number, such as NACP_METRIC_POWER
 * @param over_ms how long the stretch is, in milliseconds; it goes back as far as readings are kept
 * @param[out] window a struct that NACP_WINDOW_INIT has initialised
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_INVALID_ARGUMENT for a number that is not read
 */
nacp_status nacp_telemetry_window(const struct nacp_telemetry *telemetry,
                                  size_t index,
                                  nacp_metric metric,
                                  uint64_t over_ms,
                                  struct nacp_window *window,
                                  struct nacp_error *error);

/**
 * Tells the energy that a GPU used over a stretch of time that ends with the last reading, in joules: from its counter,
 * or from its power where it has none.
 *
 * @param telemetry the readings
 * @param index which GPU, in the order of the node
 * @param over_ms how long the stretch is, in milliseconds
 * @param[out] joules a struct that NACP_VALUE_INIT has initialised
 * @param[out] from_counter 1 when it is the GPU's own counter, 0 when it is the power; NULL if the caller does not care
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_OK also where it is not known: `joules` says why
 */
nacp_status nacp_telemetry_energy(const struct nacp_telemetry *telemetry,
                                  size_t index,
                                  uint64_t over_ms,
                                  struct nacp_value *joules,
                                  uint32_t *from_counter,
                                  struct nacp_error *error);

/**
 * Copies the readings of one number of a GPU, the oldest first. Where the caller's arrays are too small, they get the
 * newest.
 *
 * @param telemetry the readings
 * @param index which GPU, in the order of the node
 * @param metric which number, such as NACP_METRIC_POWER
 * @param after_us only readings after this moment, in microseconds since 1970-01-01 00:00 UTC; 0 for all that are kept
 * @param capacity how many readings the caller's arrays hold
 * @param[out] at_us when each was read, in microseconds since 1970-01-01 00:00 UTC; NULL if the caller does not care
 * @param[out] values the values; NaN where it was not known, and nowhere else; NULL if the caller only counts
 * @param[out] count how many readings there are, which may be more than `capacity`
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_INVALID_ARGUMENT for a number that is not read
 */
nacp_status nacp_telemetry_history(const struct nacp_telemetry *telemetry,
                                   size_t index,
                                   nacp_metric metric,
                                   int64_t after_us,
                                   size_t capacity,
                                   int64_t *at_us,
                                   double *values,
                                   size_t *count,
                                   struct nacp_error *error);

/**
 * Tells how the reading fares.
 *
 * @param telemetry the readings
 * @param[out] status a struct that NACP_TELEMETRY_STATUS_INIT has initialised
 * @param[out] error what went wrong; NULL if the caller does not care
 */
nacp_status nacp_telemetry_describe(const struct nacp_telemetry *telemetry,
                                    struct nacp_telemetry_status *status,
                                    struct nacp_error *error);

/**
 * Everything that was read last of every GPU, with what each GPU is, as JSON: each reading is as old as the pace of its
 * field allows, and a value that is unknown is {"unknown": "why"}. It asks the driver nothing.
 *
 * @param telemetry the readings
 * @param[out] json the text, freed by nacp_string_free
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_TIMEOUT while nothing was read yet
 */
nacp_status nacp_telemetry_snapshot_json(const struct nacp_telemetry *telemetry,
                                         struct nacp_string *json,
                                         struct nacp_error *error);

/**
 * Ends the reading and frees what was read. It waits for a driver that is just answering, five seconds at most.
 * Subscriptions and recordings stay valid: they are told the end.
 *
 * @param telemetry the readings; NULL does nothing
 */
void nacp_telemetry_free(struct nacp_telemetry *telemetry);

/* ==== What is read of the GPUs, told as it is read ==== */

/**
 * Begins to be told what is read from now on, and what happens to the GPUs.
 *
 * @param telemetry the readings
 * @param[out] subscription the subscriber, freed by nacp_subscription_free; NULL on failure
 * @param[out] error what went wrong; NULL if the caller does not care
 */
nacp_status nacp_telemetry_subscribe(const struct nacp_telemetry *telemetry,
                                     struct nacp_subscription **subscription,
                                     struct nacp_error *error);

/**
 * Waits for the next update. The calling thread stands still meanwhile. With a limit of 0 it only looks. When
 * the readings are freed meanwhile, the wait ends with NACP_UPDATE_ENDED.
 *
 * @param subscription the subscriber, used by no other call
 * @param limit_ms how long to wait, in milliseconds
 * @param[out] update a struct that NACP_UPDATE_INIT has initialised
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_TIMEOUT when nothing came within the limit
 */
nacp_status nacp_subscription_next(struct nacp_subscription *subscription,
                                   uint32_t limit_ms,
                                   struct nacp_update *update,
                                   struct nacp_error *error);

/**
 * Tells one number of a GPU as it was in the last NACP_UPDATE_SAMPLES.
 *
 * @param subscription the subscriber
 * @param index which GPU, in the order of the node
 * @param metric which number, such as NACP_METRIC_POWER
 * @param[out] value a struct that NACP_VALUE_INIT has initialised
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_OK also for a number that is not known, or not read yet: `value` says why; NACP_E_NOT_FOUND when there is no
 *         such index, NACP_E_INVALID_ARGUMENT when there is no such metric
 */
nacp_status nacp_subscription_value(const struct nacp_subscription *subscription,
                                    size_t index,
                                    nacp_metric metric,
                                    struct nacp_value *value,
                                    struct nacp_error *error);

/**
 * Tells the event of the last NACP_UPDATE_EVENT.
 *
 * @param subscription the subscriber
 * @param[out] event a struct that NACP_EVENT_INIT has initialised
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_NOT_FOUND when there was none yet
 */
nacp_status nacp_subscription_event(const struct nacp_subscription *subscription,
                                    struct nacp_event *event,
                                    struct nacp_error *error);

/**
 * Ends a subscription.
 *
 * @param subscription the subscriber; NULL does nothing
 */
void nacp_subscription_free(struct nacp_subscription *subscription);

/* ==== What is read about a machine, what is wrong on it, and what of it is pinned ==== */

/**
 * Reads a machine, as JSON: what the doctor, the comparison of runtimes and the lock are computed from. What cannot be read
 * is in it, with its reason. It holds no serial numbers, names of users or secrets.
 *
 * @param options which machine, and what of it; NULL for this one, in threads
 * @param[out] json the text, freed by nacp_string_free
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_NOT_FOUND for a folder or a simulated node that is not there
 */
nacp_status nacp_survey_json(const struct nacp_survey_options *options,
                             struct nacp_string *json,
                             struct nacp_error *error);

/**
 * Holds a machine against the catalogue of known failures: what is wrong, how that is known, and the command that mends
 * it. Nothing is changed on the machine, and no remedy is run.
 *
 * @param survey what nacp_survey_json gave, of this machine or of another; NULL to read this machine now, in threads
 * @param[out] json the diagnosis, whose `verdict` is broken, incomplete or works, freed by nacp_string_free
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_INVALID_ARGUMENT for a text that is no survey
 */
nacp_status nacp_doctor_json(const char *survey,
                             struct nacp_string *json,
                             struct nacp_error *error);

/**
 * A diagnosis in words, for a console or a log.
 *
 * @param diagnosis what nacp_doctor_json gave
 * @param[out] text the words, freed by nacp_string_free
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_INVALID_ARGUMENT for a text that is no diagnosis
 */
nacp_status nacp_doctor_text(const char *diagnosis,
                             struct nacp_string *text,
                             struct nacp_error *error);

/**
 * A diagnosis as a page of HTML that needs no other file and runs no script.
 *
 * @param diagnosis what nacp_doctor_json gave
 * @param[out] html the page, freed by nacp_string_free
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_INVALID_ARGUMENT for a text that is no diagnosis
 */
nacp_status nacp_doctor_html(const char *diagnosis,
                             struct nacp_string *html,
                             struct nacp_error *error);

/**
 * Explains the text of an error: an error of a daemon, of CUDA, or a whole log with several. Of a text longer than 256 KiB
 * the end is read.
 *
 * @param text the error as it was written, or the id of an entry of the catalogue, such as "D08"
 * @param survey what nacp_survey_json gave of the machine on which it happened; NULL to read this machine now, in threads.
 *     It decides which of two failures with one text is the likelier, and which commands mend it.
 * @param[out] json what it means, freed by nacp_string_free
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_INVALID_ARGUMENT for a text that is no survey
 */
nacp_status nacp_explain_json(const char *text,
                              const char *survey,
                              struct nacp_string *json,
                              struct nacp_error *error);

/**
 * Pins what a machine is, as the text of the file nacp.lock: driver, CUDA, toolkit, engine, kernel, GPUs, and the services
 * of an app with the digests of their images.
 *
 * @param survey what nacp_survey_json gave; NULL to read this machine now, in threads
 * @param app the app as YAML or JSON; NULL for the machine alone. This machine's daemon is asked for the images, unless a
 *     survey is given, which may be of another machine.
 * @param[out] text the lock, freed by nacp_string_free
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_INVALID_ARGUMENT for a text that is no survey or no app
 */
nacp_status nacp_lock_text(const char *survey,
                           const char *app,
                           struct nacp_string *text,
                           struct nacp_error *error);

/**
 * Writes a lock to a file, whole or not at all. A file that pins the same already is left as it is.
 *
 * @param lock what nacp_lock_text gave
 * @param path the file, such as "nacp.lock"
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_CONFLICT where the path holds something that is no lock: it is not overwritten
 */
nacp_status nacp_lock_write(const char *lock, const char *path, struct nacp_error *error);

/**
 * Tells what has changed between two locks, what each change can do (results, performance, nothing), and why.
 *
 * @param locked the lock that was written, as the text of its file
 * @param now what nacp_lock_text gives now
 * @param[out] json the changes, freed by nacp_string_free
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_INVALID_ARGUMENT for a text that is no lock, with the line
 */
nacp_status nacp_lock_verify_json(const char *locked,
                                  const char *now,
                                  struct nacp_string *json,
                                  struct nacp_error *error);

/* ==== Recordings of what the GPUs did ==== */

/**
 * Begins to write every reading and every event from now on to a new file. It never holds up the reading: what comes
 * faster than the disk takes it is lost, and counted.
 *
 * @param telemetry the readings
 * @param path the file, which must not be there yet
 * @param options how; NULL for the defaults
 * @param[out] recording the recording, ended by nacp_recording_finish and freed by nacp_recording_free; NULL on failure
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_CONFLICT when there is such a file; NACP_E_NOT_FOUND or NACP_E_PERMISSION_DENIED for its folder;
 *         NACP_E_INVALID_ARGUMENT for an option that cannot be
 */
nacp_status nacp_telemetry_record(const struct nacp_telemetry *telemetry,
                                  const char *path,
                                  const struct nacp_record_options *options,
                                  struct nacp_recording **recording,
                                  struct nacp_error *error);

/**
 * Ends a recording, once what has already been read is written, and tells what was written. A second call tells the same.
 *
 * @param recording the recording, used by no other call
 * @param[out] recorded a struct that NACP_RECORDED_INIT has initialised; NULL if the caller does not care
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return what the file system refused: the recording ended at that moment, and what was written before can be replayed
 */
nacp_status nacp_recording_finish(struct nacp_recording *recording,
                                  struct nacp_recorded *recorded,
                                  struct nacp_error *error);

/**
 * Frees a recording, and ends it if that was not done.
 *
 * @param recording the recording; NULL does nothing
 */
void nacp_recording_free(struct nacp_recording *recording);

/* ==== How healthy the GPUs are, and what to do about it ==== */

/**
 * Looks once how healthy the GPUs of a node are. They are read anew, because links and modes change. What only shows over
 * time is not checked: nacp_monitor_new watches.
 *
 * @param node the node
 * @param thresholds from where on something counts, as YAML or JSON text; NULL for the defaults, which
 *        nacp_thresholds_json tells
 * @param[out] health the health, freed by nacp_health_free; NULL on failure
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_INVALID_ARGUMENT for thresholds that are not valid, with line and column; NACP_E_DRIVER_UNAVAILABLE when
 *         the driver stopped answering as a whole
 */
nacp_status nacp_node_health(const struct nacp_node *node,
                             const char *thresholds,
                             struct nacp_health **health,
                             struct nacp_error *error);

/**
 * The same for the GPUs of a context. That this machine's driver does not answer is no error here, it is a condition.
 *
 * @param ctx the context
 * @param thresholds from where on something counts, as YAML or JSON text; NULL for the defaults
 * @param[out] health the health, freed by nacp_health_free; NULL on failure
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_INVALID_ARGUMENT for thresholds that are not valid, with line and column
 */
nacp_status nacp_ctx_health(const struct nacp_ctx *ctx,
                            const char *thresholds,
                            struct nacp_health **health,
                            struct nacp_error *error);

/**
 * What may be done with the node as a whole: the worst of everything; NACP_VERDICT_UNUSABLE for NULL.
 *
 * @param health the health
 */
nacp_verdict nacp_health_verdict(const struct nacp_health *health);

/**
 * One line: the verdict with its reasons, and what could not be checked, with why.
 *
 * @param health the health
 * @return text that lives as long as the health; NULL for NULL
 */
const char *nacp_health_summary(const struct nacp_health *health);

/**
 * The number of GPUs; 0 for NULL.
 *
 * @param health the health
 */
size_t nacp_health_gpu_count(const struct nacp_health *health);

/**
 * Tells how healthy one GPU is.
 *
 * @param health the health
 * @param index which, from 0 to nacp_health_gpu_count - 1, in the driver's order
 * @param[out] gpu a struct that NACP_GPU_HEALTH_INIT has initialised
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_NOT_FOUND when there is no such index
 */
nacp_status nacp_health_gpu_at(const struct nacp_health *health,
                               size_t index,
                               struct nacp_gpu_health *gpu,
                               struct nacp_error *error);

/**
 * The number of things that are wrong; 0 for NULL.
 *
 * @param health the health
 */
size_t nacp_health_condition_count(const struct nacp_health *health);

/**
 * Tells one thing that is wrong, the worst first.
 *
 * @param health the health
 * @param index which, from 0 to nacp_health_condition_count - 1
 * @param[out] condition a struct that NACP_CONDITION_INIT has initialised; its texts live as long as the health
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_NOT_FOUND when there is no such index
 */
nacp_status nacp_health_condition_at(const struct nacp_health *health,
                                     size_t index,
                                     struct nacp_condition *condition,
                                     struct nacp_error *error);

/**
 * The number of GPUs that should get no new work; 0 for NULL.
 *
 * @param health the health
 */
size_t nacp_health_cordon_count(const struct nacp_health *health);

/**
 * Tells one GPU that should get no new work, and what must be done before it may.
 *
 * @param health the health
 * @param index which, from 0 to nacp_health_cordon_count - 1
 * @param[out] cordon a struct that NACP_CORDON_INIT has initialised
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_NOT_FOUND when there is no such index
 */
nacp_status nacp_health_cordon_at(const struct nacp_health *health,
                                  size_t index,
                                  struct nacp_cordon *cordon,
                                  struct nacp_error *error);

/**
 * The number of conditions that could not be checked, each counted for each GPU; 0 for NULL.
 *
 * @param health the health
 */
size_t nacp_health_unchecked_count(const struct nacp_health *health);

/**
 * Tells one condition that could not be checked.
 *
 * @param health the health
 * @param index which, from 0 to nacp_health_unchecked_count - 1
 * @param[out] unchecked a struct that NACP_UNCHECKED_INIT has initialised
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_NOT_FOUND when there is no such index
 */
nacp_status nacp_health_unchecked_at(const struct nacp_health *health,
                                     size_t index,
                                     struct nacp_unchecked *unchecked,
                                     struct nacp_error *error);

/**
 * The whole health as JSON, with the verdict on the node, the summary and the GPUs that should get no new work.
 *
 * @param health the health
 * @param[out] json the text, freed by nacp_string_free
 * @param[out] error what went wrong; NULL if the caller does not care
 */
nacp_status nacp_health_json(const struct nacp_health *health,
                             struct nacp_string *json,
                             struct nacp_error *error);

/**
 * The same for people: the summary, then a line for each GPU and for each thing that is wrong.
 *
 * @param health the health
 * @param[out] text the text, freed by nacp_string_free
 * @param[out] error what went wrong; NULL if the caller does not care
 */
nacp_status nacp_health_text(const struct nacp_health *health,
                             struct nacp_string *text,
                             struct nacp_error *error);

/**
 * Frees a health and its texts.
 *
 * @param health the health; NULL does nothing
 */
void nacp_health_free(struct nacp_health *health);

/**
 * The default thresholds as JSON, to begin a file of one's own with: what such a file does not name keeps its default.
 *
 * @param[out] json the text, freed by nacp_string_free
 * @param[out] error what went wrong; NULL if the caller does not care
 */
nacp_status nacp_thresholds_json(struct nacp_string *json,
                                 struct nacp_error *error);

/* ==== The health of the GPUs over time ==== */

/**
 * Begins to watch a node. It knows of nothing yet, and hears events from now on where the node tells any.
 *
 * @param node the node
 * @param thresholds from where on something counts, as YAML or JSON text; NULL for the defaults
 * @param history what an earlier monitor knew, as nacp_monitor_history_json has told; NULL for nothing
 * @param[out] monitor the monitor, freed by nacp_monitor_free; NULL on failure
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_INVALID_ARGUMENT for thresholds or a history that are not valid
 */
nacp_status nacp_monitor_new(const struct nacp_node *node,
                             const char *thresholds,
                             const char *history,
                             struct nacp_monitor **monitor,
                             struct nacp_error *error);

/**
 * Reads the node once, with what has happened since the last look, and tells what changed. Look every few seconds: rates
 * are those of the last minute. A driver that does not answer is no error here, it is a condition.
 *
 * @param monitor the monitor, used by no other call
 * @param[out] changes how many things changed; nacp_monitor_change_at tells them; NULL if the caller does not care
 * @param[out] error what went wrong; NULL if the caller does not care
 */
nacp_status nacp_monitor_look(struct nacp_monitor *monitor,
                              size_t *changes,
                              struct nacp_error *error);

/**
 * Tells one thing that changed at the last call that says how many did.
 *
 * @param monitor the monitor
 * @param index which, from 0
 * @param[out] change NACP_CHANGE_RAISED, NACP_CHANGE_UPDATED or NACP_CHANGE_CLEARED; NULL if the caller does not care
 * @param[out] condition a struct that NACP_CONDITION_INIT has initialised; its texts live until the next call that says
 *             how many things changed, or until the monitor is freed
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_NOT_FOUND when there is no such index
 */
nacp_status nacp_monitor_change_at(const struct nacp_monitor *monitor,
                                   size_t index,
                                   uint32_t *change,
                                   struct nacp_condition *condition,
                                   struct nacp_error *error);

/**
 * What stands now, as it was seen at the last look.
 *
 * @param monitor the monitor
 * @param[out] health the health, freed by nacp_health_free; NULL on failure
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_NOT_FOUND before the first look
 */
nacp_status nacp_monitor_health(const struct nacp_monitor *monitor,
                                struct nacp_health **health,
                                struct nacp_error *error);

/**
 * Says that the machine was restarted: what events told is over, unless only hands can mend it.
 *
 * @param monitor the monitor, used by no other call
 * @param[out] changes how many things changed; NULL if the caller does not care
 * @param[out] error what went wrong; NULL if the caller does not care
 */
nacp_status nacp_monitor_rebooted(struct nacp_monitor *monitor,
                                  size_t *changes,
                                  struct nacp_error *error);

/**
 * Says that a GPU was reset: what events told of it is over, where a reset mends it.
 *
 * @param monitor the monitor, used by no other call
 * @param gpu the UUID of the GPU
 * @param[out] changes how many things changed; NULL if the caller does not care
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_INVALID_ARGUMENT for what is no UUID
 */
nacp_status nacp_monitor_reset(struct nacp_monitor *monitor,
                               const char *gpu,
                               size_t *changes,
                               struct nacp_error *error);

/**
 * Says that a GPU was taken out or replaced: everything about it is over.
 *
 * @param monitor the monitor, used by no other call
 * @param gpu the UUID of the GPU
 * @param[out] changes how many things changed; NULL if the caller does not care
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_INVALID_ARGUMENT for what is no UUID
 */
nacp_status nacp_monitor_forget(struct nacp_monitor *monitor,
                                const char *gpu,
                                size_t *changes,
                                struct nacp_error *error);

/**
 * What a monitor knows of Xids and restarts, as JSON, to be kept on a disk and handed to nacp_monitor_new by the next
 * program: the library keeps nothing itself.
 *
 * @param monitor the monitor
 * @param[out] json the text, freed by nacp_string_free
 * @param[out] error what went wrong; NULL if the caller does not care
 */
nacp_status nacp_monitor_history_json(const struct nacp_monitor *monitor,
                                      struct nacp_string *json,
                                      struct nacp_error *error);

/**
 * Ends a watch.
 *
 * @param monitor the monitor; NULL does nothing
 */
void nacp_monitor_free(struct nacp_monitor *monitor);

/* ==== Whether CUDA works here ==== */

/**
 * Asks the CUDA driver of this machine which version and which devices it has, as JSON. It needs no context and is never
 * simulated. A driver without a device is no error.
 *
 * @param[out] json the text, freed by nacp_string_free
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_DRIVER_UNAVAILABLE when there is no usable driver
 */
nacp_status nacp_probe_cuda_json(struct nacp_string *json,
                                 struct nacp_error *error);

/**
 * The same as nacp_probe_cuda_json, as text for people.
 *
 * @param[out] text the text, freed by nacp_string_free
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return as nacp_probe_cuda_json
 */
nacp_status nacp_probe_cuda_text(struct nacp_string *text, struct nacp_error *error);

/* ==== Which runtime to be on ==== */

/**
 * Measures the runtime on which this machine stands by seven criteria, and compares it with the others: native Windows, WSL2,
 * native Linux, Kubernetes, a virtual machine of a cloud, processes and containers apart. What cannot be measured here is
 * the founding document's rating and says so, or unknown with its reason.
 *
 * @param options what and how; NULL for NACP_LEVEL_QUICK on this machine, in threads
 * @param[out] json the decision, freed by nacp_string_free
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_INVALID_ARGUMENT for an option that cannot be; NACP_E_NOT_FOUND for a simulated node that is not there
 */
nacp_status nacp_evaluate_json(const struct nacp_evaluate_options *options,
                               struct nacp_string *json,
                               struct nacp_error *error);

/**
 * A decision as a table for a console.
 *
 * @param decision what nacp_evaluate_json gave
 * @param columns how wide the console is; 0 for 100
 * @param[out] text the table, freed by nacp_string_free
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_INVALID_ARGUMENT for a text that is no decision
 */
nacp_status nacp_decision_text(const char *decision,
                               uint32_t columns,
                               struct nacp_string *text,
                               struct nacp_error *error);

/**
 * A decision as a page of HTML with one picture. It needs no other file and runs no script.
 *
 * @param decision what nacp_evaluate_json gave
 * @param[out] html the page, freed by nacp_string_free
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_INVALID_ARGUMENT for a text that is no decision
 */
nacp_status nacp_decision_html(const char *decision,
                               struct nacp_string *html,
                               struct nacp_error *error);

/* ==== Where we run ==== */

/**
 * Tells where this process runs, as JSON: container, WSL, virtual machine, cloud, each with its evidence, and what cannot
 * be told with the reason. It needs no context and executes nothing.
 *
 * @param[out] json the text, freed by nacp_string_free
 * @param[out] error what went wrong; NULL if the caller does not care
 */
nacp_status nacp_detect_json(struct nacp_string *json,
                             struct nacp_error *error);

/**
 * Tells in one line where this process runs.
 *
 * @param[out] text the line, freed by nacp_string_free
 * @param[out] error what went wrong; NULL if the caller does not care
 */
nacp_status nacp_detect_text(struct nacp_string *text, struct nacp_error *error);

/* ==== Whether CUDA works here, how fast, and whether it repeats ==== */

/**
 * Checks CUDA on this machine, and tells what was found. A machine without a driver is no error: it is a report that fails
 * at its first check. The call takes at most the limit and half a second, whatever the driver does; two seconds more where
 * the kernel holds a child that was killed.
 *
 * @param options what and how; NULL for NACP_LEVEL_QUICK on all devices of this machine, in a thread
 * @param[out] report what was found, freed by nacp_report_free; NULL on failure
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_INVALID_ARGUMENT for an option that cannot be; NACP_E_NOT_FOUND for a simulated node that is not there
 */
nacp_status nacp_check(const struct nacp_check_options *options,
                       struct nacp_report **report,
                       struct nacp_error *error);

/* ==== What the checks of CUDA found ==== */

/**
 * All results in one word.
 *
 * @param report the report
 * @return NACP_REPORT_PASS and the like; 0 for NULL
 */
uint32_t nacp_report_verdict(const struct nacp_report *report);

/**
 * Whether the driver is a simulated one: its devices do not exist, and no time means anything.
 *
 * @param report the report
 * @return 1 or 0; 0 for NULL
 */
uint32_t nacp_report_is_simulated(const struct nacp_report *report);

/**
 * How long it took, in seconds.
 *
 * @param report the report
 * @return the time; 0 for NULL
 */
double nacp_report_seconds(const struct nacp_report *report);

/**
 * The number of results.
 *
 * @param report the report
 * @return the number; 0 for NULL
 */
size_t nacp_report_result_count(const struct nacp_report *report);

/**
 * Tells one result.
 *
 * @param report the report
 * @param index which, from 0 to nacp_report_result_count - 1
 * @param[out] result a struct that NACP_CHECK_RESULT_INIT has initialised; its texts live as long as the report
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_NOT_FOUND when there is no such index
 */
nacp_status nacp_report_result_at(const struct nacp_report *report,
                                  size_t index,
                                  struct nacp_check_result *result,
                                  struct nacp_error *error);

/**
 * Tells one value that a check measured.
 *
 * @param report the report
 * @param result which result, from 0 to nacp_report_result_count - 1
 * @param index which of its values, from 0 to nacp_check_result.metrics - 1
 * @param[out] metric a struct that NACP_CHECK_METRIC_INIT has initialised; its texts live as long as the report
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_NOT_FOUND when there is no such index
 */
nacp_status nacp_report_metric_at(const struct nacp_report *report,
                                  size_t result,
                                  size_t index,
                                  struct nacp_check_metric *metric,
                                  struct nacp_error *error);

/**
 * Why a program cannot go on, as an error: for those that only want to know whether they can.
 *
 * @param report the report
 * @param[out] error what does not work, or is not known; NULL if the caller does not care
 * @return NACP_OK for NACP_REPORT_PASS and NACP_REPORT_WARN. For NACP_REPORT_FAIL: NACP_E_DRIVER_UNAVAILABLE where it is
 *         about the machine, NACP_E_DEVICE_LOST where it is about a device, or what fits the driver's number. For
 *         NACP_REPORT_UNKNOWN: NACP_E_CONFLICT for a busy device, NACP_E_TIMEOUT, NACP_E_CANCELLED, or
 *         NACP_E_UNSUPPORTED
 */
nacp_status nacp_report_error(const struct nacp_report *report,
                              struct nacp_error *error);

/**
 * The whole report as JSON, with all evidence and the certificates of determinism.
 *
 * @param report the report
 * @param[out] json the text, freed by nacp_string_free
 * @param[out] error what went wrong; NULL if the caller does not care
 */
nacp_status nacp_report_json(const struct nacp_report *report,
                             struct nacp_string *json,
                             struct nacp_error *error);

/**
 * The report as a table for a terminal.
 *
 * @param report the report
 * @param[out] text the text, freed by nacp_string_free
 * @param[out] error what went wrong; NULL if the caller does not care
 */
nacp_status nacp_report_text(const struct nacp_report *report,
                             struct nacp_string *text,
                             struct nacp_error *error);

/**
 * The report as a page of its own: no script, nothing loaded from elsewhere.
 *
 * @param report the report
 * @param[out] html the text, freed by nacp_string_free
 * @param[out] error what went wrong; NULL if the caller does not care
 */
nacp_status nacp_report_html(const struct nacp_report *report,
                             struct nacp_string *html,
                             struct nacp_error *error);

/**
 * Frees a report.
 *
 * @param report the report; NULL does nothing
 */
void nacp_report_free(struct nacp_report *report);

/* ==== What proves that a device repeats ==== */

/**
 * Computes anew what a certificate says, on the CPU, and tells for each part whether it holds.
 *
 * @param certificate the certificate as JSON, from the `certificates` of nacp_report_json
 * @param[out] verification what holds and what does not, as JSON, freed by nacp_string_free
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_INVALID_ARGUMENT for what is no certificate
 */
nacp_status nacp_certificate_verify_json(const char *certificate,
                                         struct nacp_string *verification,
                                         struct nacp_error *error);

/**
 * Compares two certificates, and tells the reason for each difference.
 *
 * @param one a certificate as JSON
 * @param other another one
 * @param[out] comparison what is the same, what differs and why, as JSON, freed by nacp_string_free
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_INVALID_ARGUMENT for what is no certificate
 */
nacp_status nacp_certificate_compare_json(const char *one,
                                          const char *other,
                                          struct nacp_string *comparison,
                                          struct nacp_error *error);

/* ==== Apps as text: whether they are valid, and compose files in and out ==== */

/**
 * Checks an app and tells its normal form, defaults filled in or left out, memory in bytes, and what is valid and worth a
 * second look.
 *
 * @param app the app as YAML or JSON text
 * @param[out] json {"app": the app in its normal form, "warnings": [{"field", "message"}]}, freed by nacp_string_free
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_INVALID_ARGUMENT for an app that is not valid, with line and column and the nearest field
 */
nacp_status nacp_app_check_json(const char *app,
                                struct nacp_string *json,
                                struct nacp_error *error);

/**
 * Tells the JSON Schema (draft 7) of an app, for editors and for checks without NACP.
 *
 * @param[out] json the schema, freed by nacp_string_free
 * @param[out] error what went wrong; NULL if the caller does not care
 */
nacp_status nacp_app_schema_json(struct nacp_string *json, struct nacp_error *error);

/**
 * Reads a Docker Compose file as an app. Neither files nor the environment are read: its variables take what stands in
 * their place in the file, and `env_file` is left out with a note.
 *
 * @param text the compose file
 * @param name the app's name; NULL for that in the file, or of the folder
 * @param folder the folder, from the root, from which the paths in the file count; NULL if it is not known
 * @param[out] json {"app": the app in its normal form, "notes": [{"kind", "field", "line", "column", "message"}]}, freed
 *             by nacp_string_free
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_INVALID_ARGUMENT for what is no compose file or cannot be imported, with line and column
 */
nacp_status nacp_compose_import_json(const char *text,
                                     const char *name,
                                     const char *folder,
                                     struct nacp_string *json,
                                     struct nacp_error *error);

/**
 * Writes an app as a Docker Compose file. What Compose cannot say stands in `x-nacp` of the services, and
 * nacp_compose_import_json gives the same app again.
 *
 * @param app the app as YAML or JSON text
 * @param[out] json {"text": the compose file, "notes": [{"kind", "field", "message"}]}, freed by nacp_string_free
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_INVALID_ARGUMENT for an app that is not valid, with line and column
 */
nacp_status nacp_compose_export_json(const char *app,
                                     struct nacp_string *json,
                                     struct nacp_error *error);

/* ==== Who runs the containers ==== */

/**
 * Connects to the engine, unless that is done, and asks what it is.
 *
 * @param ctx the context
 * @param[out] info a struct that NACP_ENGINE_INFO_INIT has initialised
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_ENGINE_UNAVAILABLE or NACP_E_PERMISSION_DENIED when it does not answer
 */
nacp_status nacp_engine_describe(const struct nacp_ctx *ctx,
                                 struct nacp_engine_info *info,
                                 struct nacp_error *error);

/**
 * The same as nacp_engine_describe, as JSON, with the name of each CDI device.
 *
 * @param ctx the context
 * @param[out] json the text, freed by nacp_string_free
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return as nacp_engine_describe
 */
nacp_status nacp_engine_json(const struct nacp_ctx *ctx,
                             struct nacp_string *json,
                             struct nacp_error *error);

/* ==== What an apply would do ==== */

/**
 * Tells what nacp_apply would do, without doing it.
 *
 * @param ctx the context
 * @param app the app as YAML or JSON text
 * @param[out] plan the plan, freed by nacp_plan_free; NULL on failure
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_INVALID_ARGUMENT for an app that is not valid, with line and column; NACP_E_RESOURCE_EXHAUSTED when a
 *         replica fits on no GPU, with the reason for each; or what driver and engine answer
 */
nacp_status nacp_plan_app(const struct nacp_ctx *ctx,
                          const char *app,
                          struct nacp_plan **plan,
                          struct nacp_error *error);

/**
 * The same as nacp_plan_app, as JSON.
 *
 * @param ctx the context
 * @param app the app as YAML or JSON text
 * @param[out] json the text, freed by nacp_string_free
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return as nacp_plan_app
 */
nacp_status nacp_plan_json(const struct nacp_ctx *ctx,
                           const char *app,
                           struct nacp_string *json,
                           struct nacp_error *error);

/**
 * The number of actions of a plan; 0 for NULL.
 *
 * @param plan the plan
 */
size_t nacp_plan_count(const struct nacp_plan *plan);

/**
 * Tells one action of a plan.
 *
 * @param plan the plan
 * @param index which, from 0 to nacp_plan_count - 1
 * @param[out] action a struct that NACP_ACTION_INIT has initialised
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_NOT_FOUND when there is no such index
 */
nacp_status nacp_plan_at(const struct nacp_plan *plan,
                         size_t index,
                         struct nacp_action *action,
                         struct nacp_error *error);

/**
 * Frees a plan and its texts.
 *
 * @param plan the plan; NULL does nothing
 */
void nacp_plan_free(struct nacp_plan *plan);

/* ==== Running apps ==== */

/**
 * Brings an app to what is wanted and waits until every replica is ready. What runs as wanted already is left alone, so
 * applying twice changes nothing. Routers and gateways of this context follow.
 *
 * @param ctx the context
 * @param app the app as YAML or JSON text
 * @param timeout_ms the limit in milliseconds; 0 for those of the services alone
 * @param[out] replicas what runs then, freed by nacp_replicas_free; NULL if the caller does not care
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_INVALID_ARGUMENT for an app that is not valid, with line and column; NACP_E_RESOURCE_EXHAUSTED when a
 *         replica fits on no GPU; NACP_E_NOT_FOUND for an image that cannot be had; NACP_E_TIMEOUT when a replica is not
 *         ready in time, with its last lines of log; or what driver and engine answer. What was started stays, so that
 *         it can be looked at; nacp_delete removes it
 */
nacp_status nacp_apply(const struct nacp_ctx *ctx,
                       const char *app,
                       uint64_t timeout_ms,
                       struct nacp_replicas **replicas,
                       struct nacp_error *error);

/**
 * The same as nacp_apply, with the answer as JSON.
 *
 * @param ctx the context
 * @param app the app as YAML or JSON text
 * @param timeout_ms the limit in milliseconds; 0 for those of the services alone
 * @param[out] status_json what runs then, freed by nacp_string_free
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return as nacp_apply
 */
nacp_status nacp_apply_json(const struct nacp_ctx *ctx,
                            const char *app,
                            uint64_t timeout_ms,
                            struct nacp_string *status_json,
                            struct nacp_error *error);

/**
 * Tells what of an app is there now. An app of which nothing is there has no replicas.
 *
 * @param ctx the context
 * @param app the app's name
 * @param[out] replicas the replicas, freed by nacp_replicas_free; NULL on failure
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return what the engine answers
 */
nacp_status nacp_replicas_of(const struct nacp_ctx *ctx,
                             const char *app,
                             struct nacp_replicas **replicas,
                             struct nacp_error *error);

/**
 * The same as nacp_replicas_of, as JSON.
 *
 * @param ctx the context
 * @param app the app's name
 * @param[out] status_json the text, freed by nacp_string_free
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return what the engine answers
 */
nacp_status nacp_status_json(const struct nacp_ctx *ctx,
                             const char *app,
                             struct nacp_string *status_json,
                             struct nacp_error *error);

/**
 * Stops and removes everything of an app, and nothing else; volumes stay. It needs no driver. Routers and gateways of
 * this context follow.
 *
 * @param ctx the context
 * @param app the app's name
 * @param[out] removed how many containers were removed; none is no error; NULL if the caller does not care
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return what the engine answers
 */
nacp_status nacp_delete(const struct nacp_ctx *ctx,
                        const char *app,
                        size_t *removed,
                        struct nacp_error *error);

/**
 * The last lines that a replica wrote, each with a line end.
 *
 * @param ctx the context
 * @param app the app's name
 * @param service the service
 * @param replica the replica's number
 * @param lines how many lines at most
 * @param[out] text the lines, freed by nacp_string_free
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_NOT_FOUND when the app has no such replica
 */
nacp_status nacp_logs(const struct nacp_ctx *ctx,
                      const char *app,
                      const char *service,
                      uint32_t replica,
                      size_t lines,
                      struct nacp_string *text,
                      struct nacp_error *error);

/* ==== Keeping an app as it is wanted, and what is told meanwhile ==== */

/**
 * Keeps an app as it is wanted, in the background: what ends is started again, what hangs is replaced, what a GPU loses is
 * moved. One program at a time keeps an app; a second one stands by until the first has ended. Routers and gateways of this
 * context follow.
 *
 * @param ctx the context
 * @param app the app as YAML or JSON text
 * @param[out] kept the keeping, freed by nacp_kept_free; NULL on failure
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_INVALID_ARGUMENT for an app that is not valid, with line and column, or what driver and engine answer. What
 *         goes wrong later is told by nacp_kept_next
 */
nacp_status nacp_keep(const struct nacp_ctx *ctx,
                      const char *app,
                      struct nacp_kept **kept,
                      struct nacp_error *error);

/**
 * Waits for the next thing that happens to a kept app. The calling thread stands still meanwhile. With a limit of 0 it only
 * looks.
 *
 * @param kept the keeping
 * @param limit_ms how long to wait, in milliseconds
 * @param[out] event a struct that NACP_APP_EVENT_INIT has initialised
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_TIMEOUT when nothing happened within the limit; what the keeping ended with, once it has
 */
nacp_status nacp_kept_next(const struct nacp_kept *kept,
                           uint32_t limit_ms,
                           struct nacp_app_event *event,
                           struct nacp_error *error);

/**
 * Tells the event that nacp_kept_next gave last, whole, as JSON: the same object as in Rust and Python.
 *
 * @param kept the keeping
 * @param[out] event_json the text, freed by nacp_string_free
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_NOT_FOUND when there was none yet
 */
nacp_status nacp_kept_event_json(const struct nacp_kept *kept,
                                 struct nacp_string *event_json,
                                 struct nacp_error *error);

/**
 * Wants this specification from now on: what has changed is replaced as each service's strategy says.
 *
 * @param kept the keeping
 * @param app the app as YAML or JSON text, of the same name
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_INVALID_ARGUMENT for an app that is not valid, with line and column, or of another name
 */
nacp_status nacp_kept_update(const struct nacp_kept *kept,
                             const char *app,
                             struct nacp_error *error);

/**
 * Wants so many replicas of a service.
 *
 * @param kept the keeping
 * @param service the service
 * @param replicas how many
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_NOT_FOUND when the app has no such service; NACP_E_INVALID_ARGUMENT when it cannot have so many
 */
nacp_status nacp_kept_scale(const struct nacp_kept *kept,
                            const char *service,
                            uint32_t replicas,
                            struct nacp_error *error);

/**
 * Changes nothing from now on, or ends that. What runs goes on.
 *
 * @param kept the keeping
 * @param paused 1 to change nothing, 0 to go on
 * @param[out] error what went wrong; NULL if the caller does not care
 */
nacp_status nacp_kept_pause(const struct nacp_kept *kept,
                            uint32_t paused,
                            struct nacp_error *error);

/**
 * Empties a service, or ends that: its replicas get no further request and end when nobody waits for them any more.
 *
 * @param kept the keeping
 * @param service the service
 * @param drained 1 to empty it, 0 to fill it again
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_NOT_FOUND when the app has no such service
 */
nacp_status nacp_kept_drain(const struct nacp_kept *kept,
                            const char *service,
                            uint32_t drained,
                            struct nacp_error *error);

/**
 * Gives a GPU to no further replica and moves those that it has to others where there is room, or ends that.
 *
 * @param kept the keeping
 * @param gpu the GPU's UUID
 * @param reason why, for people; NULL gives the GPU to replicas again
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_INVALID_ARGUMENT when it is no UUID of a GPU
 */
nacp_status nacp_kept_cordon(const struct nacp_kept *kept,
                             const char *gpu,
                             const char *reason,
                             struct nacp_error *error);

/**
 * Ends the keeping of an app; what runs goes on.
 *
 * @param kept the keeping; NULL does nothing
 */
void nacp_kept_free(struct nacp_kept *kept);

/* ==== The replicas of an app ==== */

/**
 * The number of replicas that are there; 0 for NULL.
 *
 * @param replicas the replicas
 */
size_t nacp_replicas_count(const struct nacp_replicas *replicas);

/**
 * Whether there are replicas and all of them are ready: 1 or 0; 0 for NULL.
 *
 * @param replicas the replicas
 */
uint32_t nacp_replicas_ready(const struct nacp_replicas *replicas);

/**
 * Tells one replica.
 *
 * @param replicas the replicas
 * @param index which, from 0 to nacp_replicas_count - 1
 * @param[out] replica a struct that NACP_REPLICA_INIT has initialised
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_NOT_FOUND when there is no such index
 */
nacp_status nacp_replicas_at(const struct nacp_replicas *replicas,
                             size_t index,
                             struct nacp_replica *replica,
                             struct nacp_error *error);

/**
 * Frees replicas and their texts; what runs goes on running.
 *
 * @param replicas the replicas; NULL does nothing
 */
void nacp_replicas_free(struct nacp_replicas *replicas);

/* ==== Which replica answers a request ==== */

/**
 * Makes a router over the replicas that are ready now. It follows every later nacp_apply and nacp_delete of this
 * context; nacp_router_refresh tells it what changed by itself or through others.
 *
 * @param ctx the context
 * @param[out] router the router, freed by nacp_router_free; NULL on failure
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return what the engine answers
 */
nacp_status nacp_router_new(const struct nacp_ctx *ctx,
                            struct nacp_router **router,
                            struct nacp_error *error);

/**
 * Gives a router the replicas that are ready now.
 *
 * @param ctx the context
 * @param router the router
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return what the engine answers
 */
nacp_status nacp_router_refresh(const struct nacp_ctx *ctx,
                                const struct nacp_router *router,
                                struct nacp_error *error);

/**
 * Chooses the replica for a request. It takes no lock and reads no clock.
 *
 * @param router the router
 * @param model what the client asks for: a model, the name of a service, or "app/service"
 * @param[out] lease the routed request, freed by nacp_lease_free when it is over; NULL on failure
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_NOT_FOUND when nothing answers to the name, with the names that there are; NACP_E_CONFLICT when
 *         services of several apps have it
 */
nacp_status nacp_route(const struct nacp_router *router,
                       const char *model,
                       struct nacp_lease **lease,
                       struct nacp_error *error);

/**
 * Frees a router. Leases stay valid.
 *
 * @param router the router; NULL does nothing
 */
void nacp_router_free(struct nacp_router *router);

/**
 * Where to send the request, as "127.0.0.1:8000".
 *
 * @param lease the routed request
 * @return text that lives as long as the lease; NULL for NULL
 */
const char *nacp_lease_address(const struct nacp_lease *lease);

/**
 * The name of the replica: that of its container.
 *
 * @param lease the routed request
 * @return text that lives as long as the lease; NULL for NULL
 */
const char *nacp_lease_replica(const struct nacp_lease *lease);

/**
 * Says that a request is over, and frees its lease.
 *
 * @param lease the routed request; NULL does nothing
 */
void nacp_lease_free(struct nacp_lease *lease);

/* ==== The way in: one HTTP address in front of all services ==== */

/**
 * Starts a gateway over the replicas that are ready. It follows every later nacp_apply and nacp_delete of this context.
 *
 * @param ctx the context
 * @param options how; NULL for any free port of 127.0.0.1
 * @param[out] gateway the gateway, freed by nacp_gateway_free; NULL on failure
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_CONFLICT when the port is taken; NACP_E_PERMISSION_DENIED when this user may not listen on it;
 *         NACP_E_INVALID_ARGUMENT for an address that is not this machine's, or beyond loopback without a key; or what the
 *         engine answers
 */
nacp_status nacp_gateway_start(const struct nacp_ctx *ctx,
                               const struct nacp_gateway_options *options,
                               struct nacp_gateway **gateway,
                               struct nacp_error *error);

/**
 * Where a gateway answers, as "http://127.0.0.1:8080".
 *
 * @param gateway the gateway
 * @return text that lives as long as the gateway; NULL for NULL
 */
const char *nacp_gateway_url(const struct nacp_gateway *gateway);

/**
 * Stops a gateway: it takes no further connection and lets the requests in flight finish, for 10 seconds at most. A
 * gateway that is stopped already stays so. The handle still has to be freed.
 *
 * @param gateway the gateway, used by no other call
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_TIMEOUT when requests were cut
 */
nacp_status nacp_gateway_stop(struct nacp_gateway *gateway,
                              struct nacp_error *error);

/**
 * Frees a gateway. One that was not stopped cuts its connections. The port is free when it returns.
 *
 * @param gateway the gateway; NULL does nothing
 */
void nacp_gateway_free(struct nacp_gateway *gateway);

/* ==== Metrics of the node and of what runs on it ==== */

/**
 * The GPUs and the replicas as text for Prometheus, with dcgm-exporter's names. A value that is unknown has no line;
 * without a driver there are the replicas alone.
 *
 * @param ctx the context
 * @param[out] text the text, freed by nacp_string_free
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return what the engine answers
 */
nacp_status nacp_metrics_text(const struct nacp_ctx *ctx,
                              struct nacp_string *text,
                              struct nacp_error *error);

/**
 * The same with a choice of what is told. The text has to be served as "text/plain; version=0.0.4; charset=utf-8".
 *
 * @param ctx the context
 * @param options what; NULL for the same as nacp_metrics_text
 * @param[out] text the text, freed by nacp_string_free
 * @param[out] error what went wrong; NULL if the caller does not care
 * @return NACP_E_INVALID_ARGUMENT for an option that cannot be; NACP_E_TIMEOUT while `telemetry` has read nothing yet;
 *         NACP_E_DRIVER_UNAVAILABLE where the GPUs alone are wanted and there are none; or what the engine answers
 */
nacp_status nacp_metrics_render(const struct nacp_ctx *ctx,
                                const struct nacp_metrics_options *options,
                                struct nacp_string *text,
                                struct nacp_error *error);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* NACP_H */
