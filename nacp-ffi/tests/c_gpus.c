/* What a C program learns about GPUs: every function about them, every way to misuse it, with exact words and values.
 *
 * The first argument is a folder that the test has filled: recorded.jsonl, a recording of two GPUs of which everything
 * is known, and scripted.json, a node on which something happens. What is written goes there too. */

#define _POSIX_C_SOURCE 200809L

#include "nacp.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int checks;
static int failures;

static void check(bool right, const char *what, int line) {
    checks++;
    if (!right) {
        failures++;
        fprintf(stderr, "line %d: %s\n", line, what);
    }
}

static void check_text(const char *has, const char *wants, int line) {
    checks++;
    if (has == NULL || strcmp(has, wants) != 0) {
        failures++;
        fprintf(stderr, "line %d:\n  has   `%s`\n  wants `%s`\n", line, has == NULL ? "NULL" : has, wants);
    }
}

#define CHECK(condition) check((condition), #condition, __LINE__)
#define CHECK_TEXT(has, wants) check_text((has), (wants), __LINE__)

/* Calls with a fresh error and compares the status and the message. */
#define FAILS(call, wanted, text)                                                                                      \
    do {                                                                                                               \
        error = fresh;                                                                                                 \
        CHECK((call) == (wanted));                                                                                     \
        CHECK(error.status == (wanted));                                                                               \
        CHECK_TEXT(error.message, (text));                                                                             \
    } while (0)

#define IS_NULL(call, parameter) FAILS(call, NACP_E_INVALID_ARGUMENT, "a parameter is NULL: parameter=" parameter)

#define WORKS(call)                                                                                                    \
    do {                                                                                                               \
        CHECK((call) == NACP_OK);                                                                                      \
        CHECK_TEXT(error.message, "");                                                                                 \
    } while (0)

static const nacp_error fresh = NACP_ERROR_INIT;
static nacp_error error = NACP_ERROR_INIT;
static const char *folder;

/* The path of a file in the test's folder; it lives until the next call. */
static const char *file(const char *prefix, const char *name) {
    static char path[4096];
    snprintf(path, sizeof path, "%s%s/%s", prefix, folder, name);
    return path;
}

static void pause_ms(long milliseconds) {
    struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    nanosleep(&time, NULL);
}

static nacp_ctx *context(const char *node) {
    nacp_ctx *ctx = NULL;
    nacp_ctx_options options = NACP_CTX_OPTIONS_INIT;
    options.node = node;
    options.engine = "simulated";
    options.worker_threads = 1;
    WORKS(nacp_ctx_new(&options, &ctx, &error));
    return ctx;
}

static nacp_node *discover(const nacp_ctx *ctx) {
    nacp_node *node = NULL;
    WORKS(nacp_discover(ctx, &node, &error));
    CHECK(node != NULL);
    return node;
}

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

/* The next update of a kind, skipping others. */
static nacp_update await(nacp_subscription *subscription, uint32_t kind) {
    nacp_update update = NACP_UPDATE_INIT;
    for (int tries = 0; tries < 1000; tries++) {
        error = fresh;
        if (nacp_subscription_next(subscription, 30000, &update, &error) != NACP_OK || update.kind == kind) {
            break;
        }
    }
    CHECK(update.kind == kind);
    return update;
}

static void refused_options(const nacp_node *node) {
    nacp_telemetry *telemetry = (nacp_telemetry *)&checks;
    nacp_telemetry_options options = NACP_TELEMETRY_OPTIONS_INIT;
    IS_NULL(nacp_telemetry_start(NULL, NULL, &telemetry, &error), "node");
    IS_NULL(nacp_telemetry_start(node, NULL, NULL, &error), "telemetry");
    options.fast_ms = 1;
    FAILS(nacp_telemetry_start(node, &options, &telemetry, &error), NACP_E_INVALID_ARGUMENT,
          "the time between two readings is out of range: tier=fast every=1ms; choose 10ms to 3600s");
    options.fast_ms = 0;
    options.medium_fields = "temprature";
    FAILS(nacp_telemetry_start(node, &options, &telemetry, &error), NACP_E_INVALID_ARGUMENT,
          "no such reading of a GPU: name=\"temprature\" parameter=options.medium_fields; did you mean temperature?");
    options.medium_fields = NULL;
    options.history_s = 86400;
    options.memory_mib = 1;
    CHECK(nacp_telemetry_start(node, &options, &telemetry, &error) == NACP_E_INVALID_ARGUMENT);
    CHECK(strstr(error.message, "memory=1 MiB gpus=8; shorten `history`") != NULL);
    options.struct_size = 12;
    CHECK(nacp_telemetry_start(node, &options, &telemetry, &error) == NACP_E_INVALID_ARGUMENT && telemetry == NULL);
}

static void histories(const nacp_telemetry *telemetry) {
    enum { ROOM = 4096, FEW = 3 };
    static int64_t at[ROOM], few_at[ROOM];
    static double values[ROOM], few[ROOM];
    size_t count = 0, again = 0;
    IS_NULL(nacp_telemetry_history(NULL, 0, NACP_METRIC_POWER, 0, 0, NULL, NULL, &count, &error), "telemetry");
    IS_NULL(nacp_telemetry_history(telemetry, 0, NACP_METRIC_POWER, 0, 0, NULL, NULL, NULL, &error), "count");
    FAILS(nacp_telemetry_history(telemetry, 0, NACP_METRIC_FAN, 0, 0, NULL, NULL, &count, &error),
          NACP_E_INVALID_ARGUMENT,
          "no tier reads this number: metric=fan read=utilization,power,temperature,power_limit; add fans to the "
          "fields of a "
          "tier");
    CHECK(nacp_telemetry_history(telemetry, 0, NACP_METRIC_POWER, INT64_MAX, 0, NULL, NULL, &count, &error) ==
          NACP_E_INVALID_ARGUMENT);
    WORKS(nacp_telemetry_history(telemetry, 1, NACP_METRIC_POWER, 0, ROOM, at, values, &count, &error));
    CHECK(count > 2 * FEW && count < ROOM);
    for (size_t each = 1; each < count; each++) {
        CHECK(at[each] > at[each - 1] && values[each] == values[0]);
    }

    /* Arrays that are too small get the newest, and the count says how many there are. */
    memset(few_at, 0x55, sizeof few_at);
    few[FEW] = 77;
    WORKS(nacp_telemetry_history(telemetry, 1, NACP_METRIC_POWER, 0, FEW, few_at, few, &again, &error));
    CHECK(again >= count && few[FEW] == 77);
    CHECK(few_at[0] < few_at[1] && few_at[1] < few_at[2] && few_at[2] >= at[count - 1]);
    WORKS(nacp_telemetry_history(telemetry, 1, NACP_METRIC_POWER, at[count - 3], ROOM, few_at, NULL, &again, &error));
    CHECK(again >= 2 && few_at[0] == at[count - 2] && few_at[1] == at[count - 1]);

    /* What the GPU does not tell is NaN there. */
    WORKS(nacp_telemetry_history(telemetry, 3, NACP_METRIC_POWER_LIMIT, 0, ROOM, NULL, values, &count, &error));
    CHECK(count > 0 && !isnan(values[0]));
}

static void telemetry_of_a_node(void) {
    nacp_ctx *ctx = context("simulated:h100x8");
    nacp_node *node = discover(ctx);
    refused_options(node);
    nacp_telemetry *telemetry = NULL;
    nacp_telemetry_options options = NACP_TELEMETRY_OPTIONS_INIT;
    options.fast_ms = 10;
    options.medium_ms = 50;
    options.history_s = 60;
    options.buffer = 2;
    options.medium_fields = "temperature,power_limit";
    options.slow_fields = "";
    WORKS(nacp_telemetry_start(node, &options, &telemetry, &error));
    /* The node may go first. */
    nacp_gpu gpu = NACP_GPU_INIT;
    WORKS(nacp_node_gpu_at(node, 1, &gpu, &error));
    const double power = gpu.power / 1e3;
    nacp_node_free(node);

    nacp_subscription *subscription = NULL, *slow = NULL;
    nacp_update update = NACP_UPDATE_INIT;
    nacp_value value = NACP_VALUE_INIT;
    nacp_event event = NACP_EVENT_INIT;
    IS_NULL(nacp_telemetry_subscribe(NULL, &subscription, &error), "telemetry");
    IS_NULL(nacp_telemetry_subscribe(telemetry, NULL, &error), "subscription");
    WORKS(nacp_telemetry_subscribe(telemetry, &slow, &error));
    WORKS(nacp_telemetry_subscribe(telemetry, &subscription, &error));
    WORKS(nacp_subscription_value(slow, 0, NACP_METRIC_POWER, &value, &error));
    CHECK(value.known == 0);
    CHECK_TEXT(value.unknown, "not read");
    FAILS(nacp_subscription_value(slow, 8, NACP_METRIC_POWER, &value, &error), NACP_E_NOT_FOUND,
          "there is no GPU of this index: index=8 count=8");
    FAILS(nacp_subscription_event(slow, &event, &error), NACP_E_NOT_FOUND, "no event has come to this subscriber yet");
    IS_NULL(nacp_subscription_next(NULL, 0, &update, &error), "subscription");
    IS_NULL(nacp_subscription_next(slow, 0, NULL, &error), "update");

    update = await(subscription, NACP_UPDATE_SAMPLES);
    CHECK(update.tick > 0 && update.at_ms / 1000 > 1700000000 && update.text[0] == 0);
    WORKS(nacp_subscription_value(subscription, 1, NACP_METRIC_POWER, &value, &error));
    CHECK(value.known == 1 && value.value == power && power > 0);
    pause_ms(400);

    /* Two updates waited for the slow one; it is told that the others are lost. */
    WORKS(nacp_subscription_next(slow, 0, &update, &error));
    CHECK(update.kind == NACP_UPDATE_LAGGED && update.lost > 3 && update.tick == 0);
    uint64_t lost = update.lost;
    WORKS(nacp_subscription_next(slow, 0, &update, &error));
    CHECK(update.kind == NACP_UPDATE_SAMPLES && update.tick > lost);
    nacp_telemetry_status status = NACP_TELEMETRY_STATUS_INIT;
    IS_NULL(nacp_telemetry_describe(telemetry, NULL, &error), "status");
    WORKS(nacp_telemetry_describe(telemetry, &status, &error));
    CHECK(status.subscribers == 2 && status.lagged >= lost && status.ticks > lost && status.errors == 0);
    CHECK(status.duration_ns > 0 && status.longest_ns >= status.duration_ns && status.last_ms / 1000 > 1700000000);
    CHECK(status.listening == NACP_LISTENING_ON && status.error[0] == 0 && status.deaf[0] == 0);
    nacp_subscription_free(slow);

    WORKS(nacp_telemetry_value(telemetry, 1, NACP_METRIC_POWER, &value, &error));
    CHECK(value.known == 1 && value.value == power);
    FAILS(nacp_telemetry_value(telemetry, 9, NACP_METRIC_POWER, &value, &error), NACP_E_NOT_FOUND,
          "there is no GPU of this index: index=9 count=8");
    nacp_window window = NACP_WINDOW_INIT;
    IS_NULL(nacp_telemetry_window(NULL, 1, NACP_METRIC_POWER, 1000, &window, &error), "telemetry");
    WORKS(nacp_telemetry_window(telemetry, 1, NACP_METRIC_POWER, 60000, &window, &error));
    CHECK(window.known == NACP_WINDOW_VALUES && window.count > 3 && window.unknown == 0);
    CHECK(window.min == power && window.max == power && window.p50 == power && window.p99 == power);
    CHECK(window.first == power && window.last == power && fabs(window.mean - power) < 1e-9);
    CHECK(window.from_ms < window.to_ms && window.rate == 0 && window.delta == 0 && window.resets == 0);
    uint32_t from_counter = 9;
    WORKS(nacp_telemetry_energy(telemetry, 1, 60000, &value, &from_counter, &error));
    CHECK(value.known == 1 && value.value > 0 && from_counter == 0);
    nacp_string json = {0};
    WORKS(nacp_telemetry_snapshot_json(telemetry, &json, &error));
    CHECK(strstr(json.data, "\"temperature\":44") != NULL && strstr(json.data, "{\"unknown\":\"not read\"}") != NULL);
    nacp_string_free(&json);
    histories(telemetry);

    /* Metrics from what was read: the driver is not asked. */
    nacp_metrics_options metrics = NACP_METRICS_OPTIONS_INIT;
    metrics.gpus_only = 1;
    metrics.health = 1;
    metrics.processes = 1;
    metrics.hostname = "server-7";
    metrics.telemetry = telemetry;
    WORKS(nacp_metrics_render(ctx, &metrics, &json, &error));
    CHECK(strstr(json.data, "hostname=\"server-7\"") != NULL && strstr(json.data, "nacp_gpu_verdict{") != NULL);
    CHECK(strstr(json.data, "nacp_telemetry_ticks_total{") != NULL);
    nacp_string_free(&json);
    metrics.telemetry = NULL;
    metrics.hostname_label = "both";
    WORKS(nacp_metrics_render(ctx, &metrics, &json, &error));
    CHECK(strstr(json.data, "Hostname=\"server-7\",hostname=\"server-7\"") != NULL);
    CHECK(strstr(json.data, "nacp_telemetry_ticks_total{") == NULL);
    CHECK(strstr(json.data, "nacp_gpu_process_memory_bytes{") != NULL);
    nacp_string_free(&json);
    WORKS(nacp_metrics_render(ctx, NULL, &json, &error));
    CHECK(strstr(json.data, "ostname") == NULL && strstr(json.data, "nacp_gpu_verdict{") == NULL);
    nacp_string_free(&json);
    metrics.hostname_label = "HOSTNAME";
    FAILS(nacp_metrics_render(ctx, &metrics, &json, &error), NACP_E_INVALID_ARGUMENT,
          "no such label of a machine's name: value=\"HOSTNAME\"; it is one of none, hostname, Hostname, both");
    IS_NULL(nacp_metrics_render(NULL, NULL, &json, &error), "ctx");
    IS_NULL(nacp_metrics_render(ctx, NULL, NULL, &error), "text");

    /* The end is told to those who listen, as often as they ask, and the context may go before them. */
    nacp_telemetry_free(telemetry);
    nacp_telemetry_free(NULL);
    nacp_ctx_free(ctx);
    await(subscription, NACP_UPDATE_ENDED);
    WORKS(nacp_subscription_next(subscription, 60000, &update, &error));
    CHECK(update.kind == NACP_UPDATE_ENDED);
    nacp_subscription_free(subscription);
    nacp_subscription_free(NULL);
}

/* Telemetry of the scripted node tells its events; what was read is recorded, and replayed. */
static void recordings(void) {
    nacp_ctx *ctx = context(file("simulated:", "scripted.json"));
    nacp_node *node = discover(ctx);
    nacp_telemetry *telemetry = NULL;
    nacp_telemetry_options options = NACP_TELEMETRY_OPTIONS_INIT;
    options.history_s = NACP_NO_HISTORY;
    WORKS(nacp_telemetry_start(node, &options, &telemetry, &error));
    nacp_subscription *subscription = NULL;
    WORKS(nacp_telemetry_subscribe(telemetry, &subscription, &error));

    nacp_recording *recording = NULL;
    nacp_record_options how = NACP_RECORD_OPTIONS_INIT;
    IS_NULL(nacp_telemetry_record(NULL, "x", NULL, &recording, &error), "telemetry");
    IS_NULL(nacp_telemetry_record(telemetry, NULL, NULL, &recording, &error), "path");
    IS_NULL(nacp_telemetry_record(telemetry, "x", NULL, NULL, &error), "recording");
    how.level = 20;
    FAILS(nacp_telemetry_record(telemetry, file("", "new.zst"), &how, &recording, &error), NACP_E_INVALID_ARGUMENT,
          "no such level of compression: level=20; choose 1 to 19");
    CHECK(nacp_telemetry_record(telemetry, file("", "no/folder.zst"), NULL, &recording, &error) == NACP_E_NOT_FOUND);
    WORKS(nacp_telemetry_record(telemetry, file("", "new.zst"), NULL, &recording, &error));
    nacp_recording *second = (nacp_recording *)&checks;
    CHECK(nacp_telemetry_record(telemetry, file("", "new.zst"), NULL, &second, &error) == NACP_E_CONFLICT);
    CHECK(second == NULL && strncmp(error.message, "there is already a file of this name: path=", 43) == 0);

    nacp_update update = await(subscription, NACP_UPDATE_EVENT);
    CHECK_TEXT(update.text, "Xid 48");
    nacp_event event = NACP_EVENT_INIT;
    WORKS(nacp_subscription_event(subscription, &event, &error));
    CHECK(event.kind == NACP_EVENT_XID && event.data == 48);
    /* That event is written by the next reading at the latest. */
    await(subscription, NACP_UPDATE_SAMPLES);
    nacp_recorded recorded = NACP_RECORDED_INIT, again = NACP_RECORDED_INIT;
    IS_NULL(nacp_recording_finish(NULL, &recorded, &error), "recording");
    WORKS(nacp_recording_finish(recording, &recorded, &error));
    CHECK(recorded.frames > 0 && recorded.events > 0 && recorded.lost == 0 && recorded.bytes > 100);
    WORKS(nacp_recording_finish(recording, &again, &error));
    WORKS(nacp_recording_finish(recording, NULL, &error));
    CHECK(memcmp(&recorded, &again, sizeof again) == 0);
    nacp_recording_free(recording);
    nacp_recording_free(NULL);

    /* One that nobody ends is ended when it is freed, also when the readings have gone before. */
    how.level = 0;
    how.keep_identity = 1;
    WORKS(nacp_telemetry_record(telemetry, file("", "kept.zst"), &how, &recording, &error));
    nacp_telemetry_free(telemetry);
    nacp_recording_free(recording);
    nacp_subscription_free(subscription);
    nacp_gpu gpu = NACP_GPU_INIT, replayed = NACP_GPU_INIT;
    WORKS(nacp_node_gpu_at(node, 1, &gpu, &error));
    nacp_node_free(node);
    nacp_ctx_free(ctx);

    ctx = context(file("replay:", "new.zst"));
    node = discover(ctx);
    nacp_node_info info = NACP_NODE_INFO_INIT;
    WORKS(nacp_node_describe(node, &info, &error));
    CHECK(info.simulated == 1 && strncmp(info.name, "replay of h100x8, recorded 20", 29) == 0);
    WORKS(nacp_node_gpu_at(node, 1, &replayed, &error));
    CHECK(strcmp(gpu.uuid, replayed.uuid) != 0 && replayed.power == gpu.power && nacp_node_gpu_count(node) == 8);
    nacp_node_free(node);
    nacp_ctx_free(ctx);
    ctx = context(file("replay:", "kept.zst"));
    node = discover(ctx);
    WORKS(nacp_node_gpu_at(node, 1, &replayed, &error));
    CHECK_TEXT(replayed.uuid, gpu.uuid);
    nacp_node_free(node);
    nacp_ctx_free(ctx);
}

static void healths(void) {
    nacp_ctx *ctx = context("simulated:broken");
    nacp_node *node = discover(ctx);
    nacp_health *health = (nacp_health *)&checks;
    IS_NULL(nacp_node_health(NULL, NULL, &health, &error), "node");
    IS_NULL(nacp_node_health(node, NULL, NULL, &error), "health");
    IS_NULL(nacp_ctx_health(NULL, NULL, &health, &error), "ctx");
    FAILS(nacp_node_health(node, "gpu_max_celcius: 80", &health, &error), NACP_E_INVALID_ARGUMENT,
          "unknown threshold: line=1 column=1 field=gpu_max_celcius; did you mean gpu_max_celsius?");
    FAILS(nacp_ctx_health(ctx, "slowdown_rate: 1.5", &health, &error), NACP_E_INVALID_ARGUMENT,
          "a threshold is out of range: field=slowdown_rate value=1.5; choose a number from 0.01 to 1");
    CHECK(health == NULL);
    CHECK(nacp_health_verdict(NULL) == NACP_VERDICT_UNUSABLE && nacp_health_summary(NULL) == NULL);
    CHECK(nacp_health_gpu_count(NULL) == 0 && nacp_health_condition_count(NULL) == 0);
    CHECK(nacp_health_cordon_count(NULL) == 0 && nacp_health_unchecked_count(NULL) == 0);

    WORKS(nacp_node_health(node, NULL, &health, &error));
    CHECK(nacp_health_verdict(health) == NACP_VERDICT_DRAIN);
    CHECK(strncmp(nacp_health_summary(health), "simulated: drain: ", 18) == 0);
    CHECK(nacp_health_gpu_count(health) == nacp_node_gpu_count(node));
    nacp_gpu_health gpu = NACP_GPU_HEALTH_INIT;
    nacp_condition condition = NACP_CONDITION_INIT;
    nacp_cordon cordon = NACP_CORDON_INIT;
    nacp_unchecked unchecked = NACP_UNCHECKED_INIT;
    FAILS(nacp_health_gpu_at(health, 7, &gpu, &error), NACP_E_NOT_FOUND,
          "there is no GPU of this index: index=7 count=7");
    IS_NULL(nacp_health_gpu_at(NULL, 0, &gpu, &error), "health");
    IS_NULL(nacp_health_gpu_at(health, 0, NULL, &error), "gpu");
    WORKS(nacp_health_gpu_at(health, 0, &gpu, &error));
    CHECK(gpu.verdict == NACP_VERDICT_DRAIN && gpu.struct_size == sizeof gpu);
    CHECK_TEXT(gpu.gpu, "GPU-0bad0a01-0000-4000-8000-000000000001");
    CHECK_TEXT(gpu.name, "NVIDIA H100 80GB HBM3");

    /* The first GPU has a row to remap, and its driver asks for a reset. */
    bool asked = false, pending = false;
    uint32_t before = NACP_SEVERITY_UNUSABLE;
    CHECK(nacp_health_condition_count(health) > 5);
    for (size_t index = 0; index < nacp_health_condition_count(health); index++) {
        WORKS(nacp_health_condition_at(health, index, &condition, &error));
        CHECK(condition.kind != 0 && condition.severity <= before && condition.count == 1);
        CHECK(condition.message[0] != 0 && condition.evidence[0] != 0 && condition.since_ms == condition.last_ms);
        before = condition.severity;
        bool first = condition.gpu != NULL && strcmp(condition.gpu, gpu.gpu) == 0;
        if (first && condition.kind == NACP_CONDITION_RECOVERY_ASKED) {
            asked = true;
            CHECK(condition.severity == NACP_SEVERITY_DRAIN && condition.code == 0 && condition.part == 0);
            CHECK_TEXT(condition.name, "recovery_asked");
            CHECK_TEXT(condition.action, "reset_gpu");
            CHECK_TEXT(condition.action_text, "reset the GPU");
            CHECK_TEXT(condition.command, "nvidia-smi --gpu-reset -i 00000000:19:00.0");
        }
        if (first && condition.kind == NACP_CONDITION_ROW_REMAP_PENDING) {
            pending = true;
            CHECK(condition.severity == NACP_SEVERITY_WATCH);
            CHECK(strstr(condition.evidence, "nvmlDeviceGetRemappedRows") != NULL);
        }
    }
    CHECK(asked && pending);
    CHECK(nacp_health_condition_at(health, 999, &condition, &error) == NACP_E_NOT_FOUND && condition.name == NULL);
    CHECK(strncmp(error.message, "there is no condition of this index: index=999 count=", 53) == 0);
    IS_NULL(nacp_health_condition_at(health, 0, NULL, &error), "condition");

    CHECK(nacp_health_cordon_count(health) > 1);
    WORKS(nacp_health_cordon_at(health, 0, &cordon, &error));
    CHECK_TEXT(cordon.gpu, gpu.gpu);
    CHECK(cordon.verdict == NACP_VERDICT_DRAIN && cordon.reason[0] != 0);
    CHECK(strstr(cordon.until, "reset the GPU") != NULL);
    IS_NULL(nacp_health_cordon_at(NULL, 0, &cordon, &error), "health");
    CHECK(nacp_health_cordon_at(health, 99, &cordon, &error) == NACP_E_NOT_FOUND);
    CHECK(nacp_health_unchecked_count(health) > 0);
    WORKS(nacp_health_unchecked_at(health, nacp_health_unchecked_count(health) - 1, &unchecked, &error));
    CHECK(unchecked.kind != 0 && unchecked.name[0] != 0 && unchecked.reason[0] != 0);
    CHECK(nacp_health_unchecked_at(health, 9999, &unchecked, &error) == NACP_E_NOT_FOUND);

    nacp_string text = {0};
    WORKS(nacp_health_json(health, &text, &error));
    CHECK(strstr(text.data, "\"verdict\":\"drain\"") != NULL && strstr(text.data, "\"cordon\":[{") != NULL);
    nacp_string_free(&text);
    WORKS(nacp_health_text(health, &text, &error));
    CHECK(strncmp(text.data, "simulated: drain: ", 18) == 0);
    nacp_string_free(&text);
    IS_NULL(nacp_health_json(NULL, &text, &error), "health");
    IS_NULL(nacp_health_text(health, NULL, &error), "text");
    nacp_health_free(health);
    nacp_health_free(NULL);

    /* The thresholds are the caller's. */
    WORKS(nacp_node_health(node, "severity: { recovery_asked: watch }", &health, &error));
    for (size_t index = 0; index < nacp_health_condition_count(health); index++) {
        WORKS(nacp_health_condition_at(health, index, &condition, &error));
        CHECK(condition.kind != NACP_CONDITION_RECOVERY_ASKED || condition.severity == NACP_SEVERITY_WATCH);
    }
    nacp_health_free(health);
    WORKS(nacp_thresholds_json(&text, &error));
    CHECK(strstr(text.data, "\"pcie_replays_per_minute\": 8") != NULL);
    WORKS(nacp_ctx_health(ctx, text.data, &health, &error));
    nacp_string_free(&text);
    CHECK(nacp_health_verdict(health) == NACP_VERDICT_DRAIN);
    nacp_health_free(health);
    IS_NULL(nacp_thresholds_json(NULL, &error), "json");
    nacp_node_free(node);
    nacp_ctx_free(ctx);

    /* No driver is a condition for a context, where it is an error for everything else; with one, there is a health. */
    WORKS(nacp_ctx_new(NULL, &ctx, &error));
    WORKS(nacp_ctx_health(ctx, NULL, &health, &error));
    CHECK(health != NULL && nacp_health_summary(health) != NULL);
    nacp_health_free(health);
    nacp_ctx_free(ctx);
}

static void monitors(void) {
    nacp_ctx *ctx = context(file("simulated:", "scripted.json"));
    nacp_node *node = discover(ctx);
    nacp_monitor *monitor = (nacp_monitor *)&checks;
    nacp_health *health = NULL;
    nacp_condition condition = NACP_CONDITION_INIT;
    nacp_string text = {0};
    uint32_t change = 9;
    size_t changes = 9;
    IS_NULL(nacp_monitor_new(NULL, NULL, NULL, &monitor, &error), "node");
    IS_NULL(nacp_monitor_new(node, NULL, NULL, NULL, &error), "monitor");
    CHECK(nacp_monitor_new(node, NULL, "{\"xids\":7}", &monitor, &error) == NACP_E_INVALID_ARGUMENT);
    CHECK(strncmp(error.message, "not the history of a monitor: parameter=history reason=", 55) == 0);
    CHECK(monitor == NULL);
    WORKS(nacp_monitor_new(node, "timing: { fault: { raise_after: 0, clear_after: 0 } }", NULL, &monitor, &error));
    FAILS(nacp_monitor_health(monitor, &health, &error), NACP_E_NOT_FOUND,
          "the monitor has not looked at the node yet; call nacp_monitor_look first");
    FAILS(nacp_monitor_change_at(monitor, 0, &change, &condition, &error), NACP_E_NOT_FOUND,
          "there is no change of this index: index=0 count=0");
    IS_NULL(nacp_monitor_look(NULL, &changes, &error), "monitor");
    WORKS(nacp_monitor_look(monitor, &changes, &error));
    CHECK(changes == 0);

    /* The Xid of the script is raised when it has come. */
    nacp_gpu gpu = NACP_GPU_INIT;
    WORKS(nacp_node_gpu_at(node, 1, &gpu, &error));
    bool raised = false;
    for (int tries = 0; tries < 600 && !raised; tries++) {
        pause_ms(100);
        WORKS(nacp_monitor_look(monitor, &changes, &error));
        for (size_t index = 0; index < changes; index++) {
            WORKS(nacp_monitor_change_at(monitor, index, &change, &condition, &error));
            raised = raised || (change == NACP_CHANGE_RAISED && condition.kind == NACP_CONDITION_XID);
            if (condition.kind == NACP_CONDITION_XID) {
                CHECK(condition.code == 48);
                CHECK_TEXT(condition.gpu, gpu.uuid);
            }
        }
    }
    CHECK(raised);
    WORKS(nacp_monitor_health(monitor, &health, &error));
    CHECK(nacp_health_condition_count(health) > 0 && nacp_health_verdict(health) >= NACP_VERDICT_WATCH);
    nacp_health_free(health);
    WORKS(nacp_monitor_history_json(monitor, &text, &error));
    nacp_monitor *next = NULL;
    WORKS(nacp_monitor_new(node, NULL, text.data, &next, &error));
    nacp_string_free(&text);
    nacp_monitor_free(next);

    CHECK(nacp_monitor_reset(monitor, "no uuid", &changes, &error) == NACP_E_INVALID_ARGUMENT && changes == 0);
    IS_NULL(nacp_monitor_reset(monitor, NULL, &changes, &error), "gpu");
    IS_NULL(nacp_monitor_rebooted(NULL, &changes, &error), "monitor");
    WORKS(nacp_monitor_forget(monitor, gpu.uuid, &changes, &error));
    CHECK(changes > 0);
    WORKS(nacp_monitor_change_at(monitor, 0, NULL, &condition, &error));
    WORKS(nacp_monitor_change_at(monitor, 0, &change, &condition, &error));
    CHECK(change == NACP_CHANGE_CLEARED);
    WORKS(nacp_monitor_reset(monitor, gpu.uuid, NULL, &error));
    WORKS(nacp_monitor_rebooted(monitor, NULL, &error));
    nacp_node_free(node);
    nacp_ctx_free(ctx);
    nacp_monitor_free(monitor);
    nacp_monitor_free(NULL);
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
    telemetry_of_a_node();
    recordings();
    healths();
    monitors();
    printf("%d checks, %d failed\n", checks, failures);
    return failures == 0 ? 0 : 1;
}
