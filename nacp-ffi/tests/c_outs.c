/* What a call that fails leaves in its [out] parameters: nothing, whatever it failed at. */

#include "nacp.h"

#include <stdio.h>
#include <string.h>

static int checks;
static int failures;

static void check(int empty, const char *call, const char *why) {
    checks++;
    if (!empty) {
        failures++;
        fprintf(stderr, "%s, %s: something is left\n", call, why);
    }
}

/* Only its address is used: what stands in an [out] parameter before the call. */
static char garbage;

static int is_zero(const void *from, size_t size) {
    const unsigned char *bytes = from;
    for (size_t at = sizeof(uint32_t); at < size; at++) {
        if (bytes[at] != 0) {
            return 0;
        }
    }
    return 1;
}

/* Each calls twice: with the parameters given, one of which is NULL, and with an error whose size was forgotten. */
#define BOTH(type, before, empty, call)                                                                                \
    do {                                                                                                               \
        nacp_error well = NACP_ERROR_INIT, forgotten = {0};                                                            \
        nacp_error *errors[] = {&well, &forgotten, NULL};                                                              \
        for (int round = 0; round < 3; round++) {                                                                      \
            nacp_error *error = errors[round];                                                                         \
            type out = before;                                                                                         \
            nacp_status status = (call);                                                                               \
            check(status == NACP_E_INVALID_ARGUMENT && (empty), #call,                                                 \
                  round == 1 ? "a forgotten error" : "a refused parameter");                                           \
        }                                                                                                              \
    } while (0)

#define HANDLE(type, call) BOTH(type *, (type *)(void *)&garbage, out == NULL, call)
#define STRING(call) BOTH(nacp_string, LEFT, out.data == NULL && out.len == 0, call)
#define STRUCT(type, call)                                                                                             \
    BOTH(type, *(type *)memset(&(type){0}, 0x55, sizeof(type)), is_zero(&out, sizeof out),                             \
         (out.struct_size = sizeof out, call))

static const nacp_string LEFT = {&garbage, 7};

/* Calls that have no parameter to refuse fail by the size of their error alone. */
#define STRING_ALONE(call)                                                                                             \
    do {                                                                                                               \
        nacp_error forgotten = {0}, *error = &forgotten;                                                               \
        nacp_string out = LEFT;                                                                                        \
        nacp_status status = (call);                                                                                   \
        check(status == NACP_E_INVALID_ARGUMENT && out.data == NULL && out.len == 0, #call, "a forgotten error");      \
    } while (0)

int main(void) {
    nacp_ctx_options bad = NACP_CTX_OPTIONS_INIT;
    bad.node = "nowhere";
    HANDLE(nacp_ctx, nacp_ctx_new(&bad, &out, error));
    HANDLE(nacp_node, nacp_discover(NULL, &out, error));
    HANDLE(nacp_events, nacp_events_open(NULL, &out, error));
    HANDLE(nacp_kept, nacp_keep(NULL, "{name: a}", &out, error));
    STRUCT(nacp_app_event, nacp_kept_next(NULL, 0, &out, error));
    STRING(nacp_kept_event_json(NULL, &out, error));
    HANDLE(nacp_telemetry, nacp_telemetry_start(NULL, NULL, &out, error));
    HANDLE(nacp_subscription, nacp_telemetry_subscribe(NULL, &out, error));
    HANDLE(nacp_recording, nacp_telemetry_record(NULL, "x", NULL, &out, error));
    HANDLE(nacp_health, nacp_node_health(NULL, NULL, &out, error));
    HANDLE(nacp_health, nacp_ctx_health(NULL, NULL, &out, error));
    HANDLE(nacp_monitor, nacp_monitor_new(NULL, NULL, NULL, &out, error));
    HANDLE(nacp_health, nacp_monitor_health(NULL, &out, error));
    HANDLE(nacp_plan, nacp_plan_app(NULL, "name: a", &out, error));
    HANDLE(nacp_replicas, nacp_apply(NULL, "name: a", 0, &out, error));
    HANDLE(nacp_replicas, nacp_replicas_of(NULL, "a", &out, error));
    HANDLE(nacp_router, nacp_router_new(NULL, &out, error));
    HANDLE(nacp_lease, nacp_route(NULL, "m", &out, error));
    HANDLE(nacp_gateway, nacp_gateway_start(NULL, NULL, &out, error));
    nacp_check_options nothing = NACP_CHECK_OPTIONS_INIT;
    nothing.level = 99;
    HANDLE(nacp_report, nacp_check(&nothing, &out, error));

    STRING(nacp_apply_json(NULL, "name: a", 0, &out, error));
    STRING(nacp_status_json(NULL, "a", &out, error));
    STRING(nacp_logs(NULL, "a", "b", 0, 1, &out, error));
    STRING(nacp_app_check_json(NULL, &out, error));
    STRING(nacp_compose_import_json(NULL, "a", "/", &out, error));
    STRING(nacp_compose_export_json("name: a", &out, error));
    STRING(nacp_plan_json(NULL, "name: a", &out, error));
    STRING(nacp_engine_json(NULL, &out, error));
    STRING(nacp_node_snapshot_json(NULL, &out, error));
    STRING(nacp_node_support_json(NULL, &out, error));
    STRING(nacp_node_processes_json(NULL, NULL, &out, error));
    STRING(nacp_node_topology_json(NULL, &out, error));
    STRING(nacp_node_topology_text(NULL, &out, error));
    STRING(nacp_telemetry_snapshot_json(NULL, &out, error));
    STRING(nacp_health_json(NULL, &out, error));
    STRING(nacp_health_text(NULL, &out, error));
    STRING(nacp_monitor_history_json(NULL, &out, error));
    STRING(nacp_metrics_text(NULL, &out, error));
    STRING(nacp_report_json(NULL, &out, error));
    STRING(nacp_report_text(NULL, &out, error));
    STRING(nacp_report_html(NULL, &out, error));
    STRING(nacp_certificate_verify_json(NULL, &out, error));
    STRING(nacp_certificate_compare_json(NULL, "{}", &out, error));
    STRING(nacp_metrics_render(NULL, NULL, &out, error));
    nacp_survey_options nowhere = NACP_SURVEY_OPTIONS_INIT;
    nowhere.simulated = "no-such-node";
    nacp_evaluate_options nonsense = NACP_EVALUATE_OPTIONS_INIT;
    nonsense.level = 99;
    STRING(nacp_doctor_json("", &out, error));
    STRING(nacp_doctor_text(NULL, &out, error));
    STRING(nacp_doctor_html(NULL, &out, error));
    STRING(nacp_decision_text(NULL, 0, &out, error));
    STRING(nacp_decision_html(NULL, &out, error));
    STRING(nacp_explain_json(NULL, NULL, &out, error));
    STRING(nacp_evaluate_json(&nonsense, &out, error));
    STRING(nacp_lock_text("", NULL, &out, error));
    STRING(nacp_lock_verify_json(NULL, "", &out, error));
    STRING_ALONE(nacp_survey_json(&nowhere, &out, error));
    STRING_ALONE(nacp_thresholds_json(&out, error));
    STRING_ALONE(nacp_detect_json(&out, error));
    STRING_ALONE(nacp_app_schema_json(&out, error));
    STRING_ALONE(nacp_detect_text(&out, error));
    STRING_ALONE(nacp_probe_cuda_json(&out, error));
    STRING_ALONE(nacp_probe_cuda_text(&out, error));

    STRUCT(nacp_engine_info, nacp_engine_describe(NULL, &out, error));
    STRUCT(nacp_node_info, nacp_node_describe(NULL, &out, error));
    STRUCT(nacp_gpu, nacp_node_gpu_at(NULL, 0, &out, error));
    STRUCT(nacp_gpu_info, nacp_node_gpu_info_at(NULL, 0, &out, error));
    STRUCT(nacp_value, nacp_node_value(NULL, 0, NACP_METRIC_POWER, &out, error));
    STRUCT(nacp_process, nacp_node_process_at(NULL, 0, 0, &out, error));
    STRUCT(nacp_mig_device, nacp_node_mig_at(NULL, 0, 0, &out, error));
    STRUCT(nacp_event, nacp_events_next(NULL, 0, &out, error));
    STRUCT(nacp_link, nacp_node_link(NULL, 0, 1, &out, error));
    STRUCT(nacp_value, nacp_telemetry_value(NULL, 0, NACP_METRIC_POWER, &out, error));
    STRUCT(nacp_window, nacp_telemetry_window(NULL, 0, NACP_METRIC_POWER, 1, &out, error));
    STRUCT(nacp_value, nacp_telemetry_energy(NULL, 0, 1, &out, NULL, error));
    STRUCT(nacp_telemetry_status, nacp_telemetry_describe(NULL, &out, error));
    STRUCT(nacp_update, nacp_subscription_next(NULL, 0, &out, error));
    STRUCT(nacp_value, nacp_subscription_value(NULL, 0, NACP_METRIC_POWER, &out, error));
    STRUCT(nacp_event, nacp_subscription_event(NULL, &out, error));
    STRUCT(nacp_recorded, nacp_recording_finish(NULL, &out, error));
    STRUCT(nacp_gpu_health, nacp_health_gpu_at(NULL, 0, &out, error));
    STRUCT(nacp_condition, nacp_health_condition_at(NULL, 0, &out, error));
    STRUCT(nacp_cordon, nacp_health_cordon_at(NULL, 0, &out, error));
    STRUCT(nacp_unchecked, nacp_health_unchecked_at(NULL, 0, &out, error));
    STRUCT(nacp_condition, nacp_monitor_change_at(NULL, 0, NULL, &out, error));
    STRUCT(nacp_action, nacp_plan_at(NULL, 0, &out, error));
    STRUCT(nacp_replica, nacp_replicas_at(NULL, 0, &out, error));
    STRUCT(nacp_check_result, nacp_report_result_at(NULL, 0, &out, error));
    STRUCT(nacp_check_metric, nacp_report_metric_at(NULL, 0, 0, &out, error));

    /* An owner needs no handle: only its error can be wrong. */
    nacp_owner owner = NACP_OWNER_INIT;
    nacp_error forgotten = {0};
    owner.pid = 99;
    check(nacp_owner_of(NULL, 1, &owner, &forgotten) == NACP_E_INVALID_ARGUMENT && owner.pid == 0, "nacp_owner_of",
          "a forgotten error");

    BOTH(size_t, 99, out == 0, nacp_telemetry_history(NULL, 0, NACP_METRIC_POWER, 0, 0, NULL, NULL, &out, error));
    BOTH(size_t, 99, out == 0, nacp_delete(NULL, "a", &out, error));
    BOTH(size_t, 99, out == 0, nacp_monitor_look(NULL, &out, error));
    BOTH(size_t, 99, out == 0, nacp_monitor_rebooted(NULL, &out, error));
    BOTH(size_t, 99, out == 0, nacp_monitor_reset(NULL, "GPU-1", &out, error));
    BOTH(size_t, 99, out == 0, nacp_monitor_forget(NULL, "GPU-1", &out, error));
    BOTH(nacp_metric, 3, out == NACP_METRIC_NONE, nacp_metric_named("nothing", &out, error));
    nacp_condition none = NACP_CONDITION_INIT;
    BOTH(uint32_t, 3, out == 0, nacp_monitor_change_at(NULL, 0, &out, &none, error));
    /* An array is not touched. */
    BOTH(size_t, 99, out == 99, nacp_node_best_group(NULL, 1, &out, error));

    printf("%d checks, %d failed\n", checks, failures);
    return failures == 0 ? 0 : 1;
}
