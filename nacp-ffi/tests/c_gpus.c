/* What a C program learns about GPUs: what they are, who uses them, how they reach each other, and what happens to
 * them. */

#define _POSIX_C_SOURCE 200809L

#include "gpus.h"

#include <unistd.h>

/* Which node: what is refused, and why. */
static void choices(void) {
    nacp_ctx *ctx = NULL;
    nacp_ctx_options options = NACP_CTX_OPTIONS_INIT;
    options.node = "simulated:nowhere.json";
    FAILS(nacp_ctx_new(&options, &ctx, &error), NACP_E_NOT_FOUND,
          "cannot read the node file: path=nowhere.json reason=No such file or directory (os error 2)");
    options.node = "replay:nowhere";
    CHECK(nacp_ctx_new(&options, &ctx, &error) == NACP_E_NOT_FOUND);
    options.node = file("replay:", "scripted.json");
    CHECK(nacp_ctx_new(&options, &ctx, &error) == NACP_E_INVALID_ARGUMENT);
    options.node = file("replay:", "recorded.jsonl");
    options.replay_at_end = 3;
    FAILS(nacp_ctx_new(&options, &ctx, &error), NACP_E_INVALID_ARGUMENT,
          "a recording has no such end: parameter=options.replay_at_end value=3; choose NACP_REPLAY_STAY, "
          "NACP_REPLAY_LOOP or NACP_REPLAY_FAIL");
    options.replay_at_end = NACP_REPLAY_STAY;
    options.replay_speed = -1;
    FAILS(nacp_ctx_new(&options, &ctx, &error), NACP_E_INVALID_ARGUMENT,
          "no such speed: speed=-1; choose more than 0 and at most 1000000; 1 is as fast as it was");
    options.node = "simulated:h100x8";
    FAILS(nacp_ctx_new(&options, &ctx, &error), NACP_E_INVALID_ARGUMENT,
          "only a recording can be replayed: parameter=options.replay_speed; set node to replay:FILE");
    options.replay_speed = 0;
    options.guard = "self";
    FAILS(nacp_ctx_new(&options, &ctx, &error), NACP_E_INVALID_ARGUMENT,
          "a guard is for the driver of this machine: parameter=options.guard; leave guard or node NULL");
    CHECK(ctx == NULL);

    /* An older program's struct ends before the guard: what stands behind it is not looked at. */
    options.struct_size = offsetof(nacp_ctx_options, guard);
    options.guard = (const char *)&checks;
    WORKS(nacp_ctx_new(&options, &ctx, &error));
    nacp_ctx_free(ctx);

    CHECK(nacp_probe_answer() == 0);
}

/* A recording of which everything is known: each field has the value that was written. */
static void inventory(void) {
    nacp_ctx *ctx = context(file("replay:", "recorded.jsonl"));
    nacp_node *node = discover(ctx);
    nacp_node_info origin = NACP_NODE_INFO_INIT;
    WORKS(nacp_node_describe(node, &origin, &error));
    CHECK(origin.simulated == 0);
    CHECK_TEXT(origin.name, "replay of two, recorded 2026-11-01T12:00:00Z");

    nacp_gpu_info info = NACP_GPU_INFO_INIT;
    IS_NULL(nacp_node_gpu_info_at(NULL, 0, &info, &error), "node");
    IS_NULL(nacp_node_gpu_info_at(node, 0, NULL, &error), "info");
    FAILS(nacp_node_gpu_info_at(node, 2, &info, &error), NACP_E_NOT_FOUND,
          "there is no GPU of this index: index=2 count=2");
    WORKS(nacp_node_gpu_info_at(node, 0, &info, &error));
    CHECK(info.known == (NACP_INFO_C2C << 1) - 1);
    CHECK(info.index == 0);
    CHECK_TEXT(info.uuid, "GPU-00000000-0000-4000-8000-000000000001");
    CHECK_TEXT(info.name, "Recorded GPU");
    CHECK_TEXT(info.serial, "1650924666");
    CHECK_TEXT(info.part_number, "692-2G520-0200-000");
    CHECK_TEXT(info.vbios, "96.00.89.00.01");
    CHECK_TEXT(info.brand, "NVIDIA");
    CHECK_TEXT(info.architecture, "Hopper");
    CHECK(info.cores == 16896 && info.multiprocessors == 132 && info.memory_bus == 5120);
    CHECK(info.pcie_max_generation == 5 && info.pcie_max_width == 16);
    CHECK(info.power_min == 200000 && info.power_max == 700000 && info.power_default == 650000);
    CHECK(info.clock_graphics == 1980 && info.clock_sm == 1979 && info.clock_memory == 2619);
    CHECK(info.temperature_shutdown == 95 && info.temperature_slowdown == 89);
    CHECK(info.minor == 7 && info.numa_node == 1 && info.compute_mode == NACP_COMPUTE_EXCLUSIVE_PROCESS);
    CHECK(info.persistence == 1 && info.ecc == 1 && info.ecc_pending == 0 && info.mig == 1 && info.mig_pending == 1);
    CHECK(info.nvlinks == 2 && info.nvlinks_active == 1 && info.c2c == 0);
    CHECK(info.bar1 == UINT64_C(128) << 30);
    WORKS(nacp_node_gpu_info_at(node, 1, &info, &error));
    CHECK(info.known == NACP_INFO_NVLINKS);
    CHECK_TEXT(info.serial, "");

    nacp_mig_device part = NACP_MIG_DEVICE_INIT;
    CHECK(nacp_node_mig_count(node, 0) == 1 && nacp_node_mig_count(node, 1) == 0);
    CHECK(nacp_node_mig_count(node, 9) == 0 && nacp_node_mig_count(NULL, 0) == 0);
    IS_NULL(nacp_node_mig_at(NULL, 0, 0, &part, &error), "node");
    IS_NULL(nacp_node_mig_at(node, 0, 0, NULL, &error), "device");
    FAILS(nacp_node_mig_at(node, 0, 1, &part, &error), NACP_E_NOT_FOUND,
          "there is no partition of this index: index=1 count=1");
    WORKS(nacp_node_mig_at(node, 0, 0, &part, &error));
    CHECK(part.known == (NACP_MIG_MULTIPROCESSORS << 1) - 1 && part.index == 0);
    CHECK_TEXT(part.uuid, "MIG-00000000-0000-4000-8000-00000000000a");
    CHECK_TEXT(part.name, "Recorded GPU MIG 1g.10gb");
    CHECK_TEXT(part.profile, "1g.10gb");
    CHECK(part.gpu_instance == 9 && part.compute_instance == 2 && part.multiprocessors == 16);
    CHECK(part.memory_total == UINT64_C(10) << 30 && part.memory_used == UINT64_C(3) << 30);
    CHECK(part.memory_free == UINT64_C(7) << 30);

    nacp_process process = NACP_PROCESS_INIT;
    CHECK(nacp_node_process_count(node, 0) == 2 && nacp_node_process_count(node, 1) == 0);
    CHECK(nacp_node_process_count(node, 9) == 0 && nacp_node_process_count(NULL, 0) == 0);
    IS_NULL(nacp_node_process_at(node, 0, 0, NULL, &error), "process");
    FAILS(nacp_node_process_at(node, 0, 2, &process, &error), NACP_E_NOT_FOUND,
          "there is no process of this index: index=2 count=2");
    WORKS(nacp_node_process_at(node, 0, 0, &process, &error));
    CHECK(process.pid == 4001 && process.kind == NACP_PROCESS_COMPUTE);
    CHECK(process.known == (NACP_PROCESS_COMPUTE_INSTANCE << 1) - 1);
    CHECK(process.memory == UINT64_C(2) << 30 && process.utilization_sm == 80 && process.utilization_memory == 30);
    CHECK(process.gpu_instance == 9 && process.compute_instance == 2);
    WORKS(nacp_node_process_at(node, 0, 1, &process, &error));
    CHECK(process.pid == 4002 && process.kind == NACP_PROCESS_BOTH && process.known == 0 && process.memory == 0);

    nacp_link link = NACP_LINK_INIT;
    size_t group[2] = {7, 7};
    IS_NULL(nacp_node_link(NULL, 0, 1, &link, &error), "node");
    IS_NULL(nacp_node_link(node, 0, 1, NULL, &error), "link");
    FAILS(nacp_node_link(node, 1, 1, &link, &error), NACP_E_INVALID_ARGUMENT, "a GPU has no link to itself: index=1");
    WORKS(nacp_node_link(node, 1, 0, &link, &error));
    CHECK((link.known &
           (NACP_LINK_ANCESTOR | NACP_LINK_NVLINKS | NACP_LINK_BANDWIDTH | NACP_LINK_PEER | NACP_LINK_VERSION)) ==
          (NACP_LINK_ANCESTOR | NACP_LINK_NVLINKS | NACP_LINK_BANDWIDTH | NACP_LINK_PEER | NACP_LINK_VERSION));
    CHECK(link.ancestor == NACP_ANCESTOR_SWITCHES && link.nvlinks == 1 && link.switched == 0 && link.peer == 1);
    CHECK(link.bandwidth == 26562 && link.nvlink_version == 4);
    WORKS(nacp_node_best_group(node, 2, group, &error));
    CHECK(group[0] == 0 && group[1] == 1);
    FAILS(nacp_node_best_group(node, 3, group, &error), NACP_E_RESOURCE_EXHAUSTED, "not so many GPUs: wanted=3 gpus=2");
    IS_NULL(nacp_node_best_group(node, 2, NULL, &error), "indices");
    nacp_string text = {0};
    WORKS(nacp_node_topology_text(node, &text, &error));
    CHECK(strstr(text.data, "NV1") != NULL);
    nacp_string_free(&text);
    WORKS(nacp_node_topology_json(node, &text, &error));
    CHECK(strstr(text.data, "\"ancestor\":\"switches\"") != NULL);
    nacp_string_free(&text);

    /* One reading a step; the recording has two, and then it stays. */
    nacp_value value = NACP_VALUE_INIT;
    WORKS(nacp_node_value(node, 0, NACP_METRIC_POWER, &value, &error));
    CHECK(value.known == 1 && value.value == 350);
    for (int step = 0; step < 3; step++) {
        WORKS(nacp_node_refresh(node, &error));
        WORKS(nacp_node_value(node, 0, NACP_METRIC_POWER, &value, &error));
        CHECK(value.value == 420.5);
    }
    WORKS(nacp_node_reread(node, &error));
    IS_NULL(nacp_node_reread(NULL, &error), "node");
    nacp_node_free(node);
    nacp_ctx_free(ctx);

    nacp_ctx_options options = NACP_CTX_OPTIONS_INIT;
    options.node = file("replay:", "recorded.jsonl");
    options.replay_at_end = NACP_REPLAY_FAIL;
    WORKS(nacp_ctx_new(&options, &ctx, &error));
    node = discover(ctx);
    CHECK(nacp_node_refresh(node, &error) == NACP_OK);
    CHECK(nacp_node_refresh(node, &error) == NACP_E_DRIVER_UNAVAILABLE);
    CHECK(strncmp(error.message, "the recording has ended: path=", 30) == 0);
    nacp_node_free(node);
    nacp_ctx_free(ctx);
}

/* Nodes that come with the library say what their files say. */
static void shipped(void) {
    nacp_ctx *ctx = context("simulated:a100-mig");
    nacp_node *node = discover(ctx);
    nacp_gpu_info info = NACP_GPU_INFO_INIT;
    nacp_mig_device part = NACP_MIG_DEVICE_INIT;
    nacp_process process = NACP_PROCESS_INIT;
    WORKS(nacp_node_gpu_info_at(node, 0, &info, &error));
    CHECK_TEXT(info.serial, "1564720000001");
    CHECK_TEXT(info.vbios, "92.00.45.00.03");
    CHECK(info.cores == 6912 && info.memory_bus == 5120 && info.pcie_max_generation == 4);
    CHECK(info.power_min == 100000 && info.power_max == 400000 && info.clock_sm == 1410 && info.mig == 1);
    CHECK(info.bar1 == UINT64_C(64) << 30 && info.temperature_slowdown == 89 && info.nvlinks == 12);
    CHECK(info.compute_mode == NACP_COMPUTE_DEFAULT && (info.known & NACP_INFO_COMPUTE_MODE) != 0);
    CHECK(nacp_node_mig_count(node, 0) == 7 && nacp_node_mig_count(node, 1) == 4 && nacp_node_mig_count(node, 3) == 0);
    WORKS(nacp_node_mig_at(node, 0, 0, &part, &error));
    CHECK_TEXT(part.uuid, "MIG-a1000a01-0007-5000-8000-000000000001");
    CHECK_TEXT(part.profile, "1g.5gb");
    CHECK(part.gpu_instance == 7 && part.compute_instance == 0 && part.memory_used == UINT64_C(4100) << 20);
    WORKS(nacp_node_mig_at(node, 1, 1, &part, &error));
    CHECK_TEXT(part.uuid, "MIG-a1000a02-0101-5000-8000-000000000002");
    CHECK(part.gpu_instance == 1 && part.compute_instance == 1 && part.memory_used == UINT64_C(17400) << 20);
    bool own = false;
    for (size_t at = 0; at < nacp_node_process_count(node, 0); at++) {
        WORKS(nacp_node_process_at(node, 0, at, &process, &error));
        own = own || process.pid == (uint32_t)getpid();
        CHECK((process.known & NACP_PROCESS_GPU_INSTANCE) != 0 && process.memory == UINT64_C(4087) << 20);
    }
    CHECK(own);
    nacp_node_free(node);
    nacp_ctx_free(ctx);

    /* Four GPUs of a rack: every two are in one clique, over a switch. */
    ctx = context("simulated:gb200-nvl72");
    node = discover(ctx);
    nacp_link link = NACP_LINK_INIT;
    WORKS(nacp_node_link(node, 0, 3, &link, &error));
    CHECK((link.known & NACP_LINK_CLIQUE) != 0 && link.same_clique == 1 && link.switched == 1);
    CHECK(link.nvlinks == 18 && link.bandwidth == 18 * UINT64_C(53125));
    WORKS(nacp_node_gpu_info_at(node, 0, &info, &error));
    CHECK((info.known & NACP_INFO_C2C) != 0 && info.c2c == 1 && info.nvlinks_active == 18 && info.numa_node == 2);
    nacp_node_free(node);
    nacp_ctx_free(ctx);

    /* What an old driver's library lacks is unknown, and what it has is there. */
    ctx = context("simulated:old-driver-470");
    node = discover(ctx);
    nacp_value value = NACP_VALUE_INIT;
    WORKS(nacp_node_value(node, 0, NACP_METRIC_TEMPERATURE, &value, &error));
    CHECK(value.known == 1);
    WORKS(nacp_node_value(node, 0, NACP_METRIC_MARGIN, &value, &error));
    CHECK(value.known == 0);
    CHECK_TEXT(value.unknown, "driver library too old");
    nacp_node_free(node);
    nacp_ctx_free(ctx);
}

static void numbers(void) {
    CHECK_TEXT(nacp_metric_name(NACP_METRIC_POWER), "power");
    CHECK_TEXT(nacp_metric_unit(NACP_METRIC_POWER), "W");
    CHECK_TEXT(nacp_metric_name(NACP_METRIC_COUNT - 1), "dram_active");
    CHECK(nacp_metric_name(NACP_METRIC_COUNT) == NULL && nacp_metric_unit(NACP_METRIC_NONE) == NULL);
    CHECK(nacp_metric_is_counter(NACP_METRIC_ENERGY) == 1 && nacp_metric_is_counter(NACP_METRIC_POWER) == 0);
    CHECK(nacp_metric_is_counter(NACP_METRIC_NONE) == 0);
    nacp_metric metric = 0;
    for (nacp_metric each = 0; each < NACP_METRIC_COUNT; each++) {
        WORKS(nacp_metric_named(nacp_metric_name(each), &metric, &error));
        CHECK(metric == each);
    }
    FAILS(nacp_metric_named("powr", &metric, &error), NACP_E_INVALID_ARGUMENT,
          "no such metric of a GPU: name=\"powr\"; did you mean power?");
    CHECK(metric == NACP_METRIC_NONE);
    IS_NULL(nacp_metric_named(NULL, &metric, &error), "name");
    IS_NULL(nacp_metric_named("power", NULL, &error), "metric");

    nacp_ctx *ctx = context("simulated:h100x8");
    nacp_node *node = discover(ctx);
    nacp_value value = NACP_VALUE_INIT;
    nacp_gpu gpu = NACP_GPU_INIT;
    WORKS(nacp_node_gpu_at(node, 1, &gpu, &error));
    WORKS(nacp_node_value(node, 1, NACP_METRIC_POWER, &value, &error));
    CHECK(value.known == 1 && value.value == gpu.power / 1e3 && value.unknown[0] == 0);
    WORKS(nacp_node_value(node, 1, NACP_METRIC_TEMPERATURE, &value, &error));
    CHECK(value.known == 1 && value.value == gpu.temperature && value.value == 44);
    FAILS(nacp_node_value(node, 8, NACP_METRIC_POWER, &value, &error), NACP_E_NOT_FOUND,
          "there is no GPU of this index: index=8 count=8");
    FAILS(nacp_node_value(node, 0, 42, &value, &error), NACP_E_INVALID_ARGUMENT,
          "there is no metric of this number: metric=42; choose one of NACP_METRIC_POWER and the like, 0 to 41");
    IS_NULL(nacp_node_value(node, 0, 0, NULL, &error), "value");
    nacp_node_free(node);
    nacp_ctx_free(ctx);

    /* What a laptop under WSL2 does not tell is unknown, with the reason. */
    ctx = context("simulated:rtx3050ti-laptop-wsl2");
    node = discover(ctx);
    WORKS(nacp_node_value(node, 0, NACP_METRIC_POWER_LIMIT, &value, &error));
    CHECK(value.known == 0 && value.value == 0);
    CHECK_TEXT(value.unknown, "not supported");
    nacp_process process = NACP_PROCESS_INIT;
    WORKS(nacp_node_process_at(node, 0, 0, &process, &error));
    CHECK((process.known & NACP_PROCESS_MEMORY) == 0 && process.memory == 0);
    nacp_events *events = (nacp_events *)&checks;
    CHECK(nacp_events_open(node, &events, &error) == NACP_E_UNSUPPORTED && events == NULL);
    nacp_node_free(node);
    nacp_ctx_free(ctx);
}

static void owners(void) {
    nacp_ctx *ctx = context("simulated:h100x8");
    nacp_owner owner = NACP_OWNER_INIT;
    WORKS(nacp_owner_of(NULL, (uint32_t)getpid(), &owner, &error));
    CHECK(owner.pid == (uint32_t)getpid() && (owner.known & NACP_OWNER_COMMAND) != 0);
    CHECK((owner.known & NACP_OWNER_UID) != 0 && owner.uid == (uint32_t)geteuid());
    WORKS(nacp_owner_of(ctx, (uint32_t)getpid(), &owner, &error));
    WORKS(nacp_owner_of(NULL, UINT32_MAX, &owner, &error));
    CHECK(owner.pid == UINT32_MAX && owner.known == 0 && owner.command[0] == 0);
    IS_NULL(nacp_owner_of(NULL, 1, NULL, &error), "owner");

    nacp_node *node = discover(ctx);
    nacp_string json = {0};
    IS_NULL(nacp_node_processes_json(NULL, NULL, &json, &error), "node");
    IS_NULL(nacp_node_processes_json(node, NULL, NULL, &error), "json");
    WORKS(nacp_node_processes_json(node, ctx, &json, &error));
    CHECK(strstr(json.data, "\"processes\":[{\"gpu\":\"GPU-") != NULL);
    nacp_string_free(&json);
    nacp_node_free(node);
    nacp_ctx_free(ctx);
}

/* A scripted node: what happens arrives, in order, with what came with it. */
static void happenings(void) {
    nacp_ctx *ctx = context(file("simulated:", "scripted.json"));
    nacp_node *node = discover(ctx);
    nacp_events *events = NULL;
    nacp_event event = NACP_EVENT_INIT;
    IS_NULL(nacp_events_open(NULL, &events, &error), "node");
    IS_NULL(nacp_events_open(node, NULL, &error), "events");
    WORKS(nacp_events_open(node, &events, &error));
    IS_NULL(nacp_events_next(NULL, 0, &event, &error), "events");
    IS_NULL(nacp_events_next(events, 0, NULL, &error), "event");
    FAILS(nacp_events_next(events, 0, &event, &error), NACP_E_TIMEOUT,
          "nothing happened in the time allowed: limit_ms=0");
    CHECK(error.retryable == 1);

    WORKS(nacp_events_next(events, 60000, &event, &error));
    CHECK(event.kind == NACP_EVENT_XID && event.data == 48 && event.bits == 0 && event.part == 0);
    CHECK(event.via == NACP_VIA_SIMULATED && event.at_ms / 1000 > 1700000000);
    nacp_gpu gpu = NACP_GPU_INIT;
    WORKS(nacp_node_gpu_at(node, 1, &gpu, &error));
    CHECK_TEXT(event.uuid, gpu.uuid);
    CHECK_TEXT(event.text, "Xid 48");
    WORKS(nacp_events_next(events, 60000, &event, &error));
    CHECK(event.kind == NACP_EVENT_UNKNOWN && event.bits == 0x200000 && event.data == 7);
    CHECK(event.part == 1 && event.gpu_instance == 5 && event.compute_instance == 0);
    CHECK_TEXT(event.text, "unknown event 0x200000, data 0x7");
    WORKS(nacp_events_next(events, 60000, &event, &error));
    CHECK(event.kind == NACP_EVENT_DOUBLE_BIT_ECC && event.part == 2);
    CHECK(event.gpu_instance == 5 && event.compute_instance == 1);
    FAILS(nacp_events_next(events, 50, &event, &error), NACP_E_TIMEOUT,
          "nothing happened in the time allowed: limit_ms=50");
    CHECK(event.kind == 0 && event.uuid[0] == 0 && event.struct_size == sizeof event);
    nacp_events_free(events);
    nacp_events_free(NULL);

    /* By now a GPU has fallen off the bus: it keeps its place, and nothing of it is known. */
    WORKS(nacp_node_refresh(node, &error));
    CHECK(nacp_node_gpu_count(node) == 8);
    nacp_value value = NACP_VALUE_INIT;
    WORKS(nacp_node_value(node, 3, NACP_METRIC_TEMPERATURE, &value, &error));
    CHECK(value.known == 0);
    CHECK_TEXT(value.unknown, "gpu lost");
    WORKS(nacp_node_value(node, 0, NACP_METRIC_TEMPERATURE, &value, &error));
    CHECK(value.known == 1 && value.value == 95);
    nacp_node_free(node);
    nacp_ctx_free(ctx);
}

int main(int count, char **arguments) {
    if (count != 2) {
        fprintf(stderr, "usage: %s FOLDER\n", arguments[0]);
        return 2;
    }
    folder = arguments[1];
    choices();
    inventory();
    shipped();
    numbers();
    owners();
    happenings();
    return report();
}
