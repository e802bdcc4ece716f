/* What a C program learns about GPUs as time goes on: telemetry, recordings, health. */

#define _POSIX_C_SOURCE 200809L

#include "gpus.h"

#include <math.h>
#include <time.h>

static void pause_ms(long milliseconds) {
    struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    nanosleep(&time, NULL);
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

/* A GPU that is no longer told of leaves no gap that another one's numbers fill. */
static void gone(void) {
    nacp_ctx *ctx = context(file("replay:", "gone.jsonl"));
    nacp_node *node = discover(ctx);
    nacp_telemetry *telemetry = NULL;
    nacp_subscription *subscription = NULL;
    nacp_value value = NACP_VALUE_INIT;
    CHECK(nacp_node_gpu_count(node) == 2);
    WORKS(nacp_telemetry_start(node, NULL, &telemetry, &error));
    WORKS(nacp_telemetry_subscribe(telemetry, &subscription, &error));
    await(subscription, NACP_UPDATE_SAMPLES);
    WORKS(nacp_subscription_value(subscription, 0, NACP_METRIC_POWER, &value, &error));
    CHECK(value.known == 0);
    WORKS(nacp_telemetry_value(telemetry, 0, NACP_METRIC_POWER, &value, &error));
    CHECK(value.known == 0);
    WORKS(nacp_subscription_value(subscription, 1, NACP_METRIC_POWER, &value, &error));
    CHECK(value.known == 1 && value.value == 111);
    WORKS(nacp_telemetry_value(telemetry, 1, NACP_METRIC_POWER, &value, &error));
    CHECK(value.known == 1 && value.value == 111);
    nacp_subscription_free(subscription);
    nacp_telemetry_free(telemetry);
    nacp_node_free(node);
    nacp_ctx_free(ctx);
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

/* A driver that stops answering is a condition of the machine, and what was told before is not lost. */
static void failing(void) {
    nacp_ctx_options options = NACP_CTX_OPTIONS_INIT;
    options.node = file("replay:", "gone.jsonl");
    options.replay_at_end = NACP_REPLAY_FAIL;
    nacp_ctx *ctx = NULL;
    WORKS(nacp_ctx_new(&options, &ctx, &error));
    nacp_node *node = discover(ctx);
    nacp_monitor *monitor = NULL;
    nacp_health *health = NULL;
    nacp_condition condition = NACP_CONDITION_INIT;
    size_t changes = 0;
    uint32_t change = 0;
    WORKS(nacp_monitor_new(node, "timing: { reading: { raise_after: 0, clear_after: 0 } }", NULL, &monitor, &error));
    int raised = 0;
    for (int look = 0; look < 20 && !raised; look++) {
        WORKS(nacp_monitor_look(monitor, &changes, &error));
        for (size_t each = 0; each < changes; each++) {
            WORKS(nacp_monitor_change_at(monitor, each, &change, &condition, &error));
            raised |= change == NACP_CHANGE_RAISED && condition.kind == NACP_CONDITION_DRIVER_UNAVAILABLE;
        }
    }
    CHECK(raised);
    WORKS(nacp_monitor_health(monitor, &health, &error));
    CHECK(nacp_health_verdict(health) == NACP_VERDICT_UNUSABLE && nacp_health_gpu_count(health) == 0);
    nacp_health_free(health);
    nacp_monitor_free(monitor);
    nacp_node_free(node);
    nacp_ctx_free(ctx);
}

int main(int count, char **arguments) {
    if (count != 2) {
        fprintf(stderr, "usage: %s FOLDER\n", arguments[0]);
        return 2;
    }
    folder = arguments[1];
    telemetry_of_a_node();
    gone();
    recordings();
    healths();
    monitors();
    failing();
    return report();
}
