/* What a C program learns of CUDA: that it works on a simulated server, what was measured, who is told meanwhile, and
 * what is refused. */

#include "checks.h"

#include <math.h>
#include <stdlib.h>

struct heard {
    uint32_t steps;
    uint32_t ended;
    uint32_t done;
    uint32_t total;
    uint32_t stop_after;
    bool in_order;
};

static int32_t hear(const nacp_check_step *step, void *user) {
    struct heard *heard = user;
    heard->steps++;
    heard->ended += step->ended;
    heard->in_order = heard->in_order && step->done >= heard->done && (step->result != NULL) == (step->ended == 1);
    if (step->ended) {
        heard->in_order = heard->in_order && strcmp(step->result->id, step->id) == 0 && step->result->status != 0;
    }
    heard->done = step->done;
    heard->total = step->total;
    return heard->stop_after != 0 && heard->ended >= heard->stop_after;
}

static void refusals(void) {
    nacp_report *report = NULL;
    nacp_check_options options = NACP_CHECK_OPTIONS_INIT;
    IS_NULL(nacp_check(NULL, NULL, &error), "report");
    options.level = 3;
    FAILS(nacp_check(&options, &report, &error), NACP_E_INVALID_ARGUMENT,
          "there is no such level: parameter=options.level value=3; pass NACP_LEVEL_QUICK, NACP_LEVEL_STANDARD or "
          "NACP_LEVEL_FULL");
    options.level = NACP_LEVEL_QUICK;
    options.checks = "det.bit";
    FAILS(nacp_check(&options, &report, &error), NACP_E_INVALID_ARGUMENT,
          "no such check: check=\"det.bit\"; did you mean det.bits?");
    options.checks = NULL;
    options.cuda = "twelve";
    FAILS(nacp_check(&options, &report, &error), NACP_E_INVALID_ARGUMENT,
          "not a version of CUDA: value=\"twelve\"; write major and minor, for example 13.0");
    options.cuda = NULL;
    options.ptx = "compute_80";
    FAILS(nacp_check(&options, &report, &error), NACP_E_INVALID_ARGUMENT,
          "not a version of PTX and its target: parameter=options.ptx value=\"compute_80\"; write both, for example "
          "8.0:compute_80");
    options.ptx = NULL;
    options.sass = "sm_80,sm_9x";
    CHECK(nacp_check(&options, &report, &error) == NACP_E_INVALID_ARGUMENT);
    options.sass = NULL;
    options.simulated = "h100x8";
    options.program = "self";
    FAILS(nacp_check(&options, &report, &error), NACP_E_INVALID_ARGUMENT,
          "a simulated driver lives in this process and cannot be checked in another: parameter=options.program; "
          "leave options.program NULL");
    options.program = NULL;
    options.library = "libcuda.so.1";
    FAILS(nacp_check(&options, &report, &error), NACP_E_INVALID_ARGUMENT,
          "a simulated node has no file of a library: parameter=options.library; leave options.library or "
          "options.simulated NULL");
    options.library = NULL;
    options.simulated = "nowhere";
    CHECK(nacp_check(&options, &report, &error) == NACP_E_NOT_FOUND);
    options.struct_size = 4;
    CHECK(nacp_check(&options, &report, &error) == NACP_E_INVALID_ARGUMENT);
    CHECK(report == NULL);
}

static void absent(void) {
    nacp_report *report = NULL;
    nacp_check_options options = NACP_CHECK_OPTIONS_INIT;
    options.library = "/nonexistent/libcuda.so.1";
    WORKS(nacp_check(&options, &report, &error));
    CHECK(nacp_report_verdict(report) == NACP_REPORT_FAIL);
    CHECK(nacp_report_is_simulated(report) == 0);
    CHECK(nacp_report_seconds(report) < 2);
    nacp_check_result result = NACP_CHECK_RESULT_INIT;
    WORKS(nacp_report_result_at(report, 0, &result, &error));
    CHECK_TEXT(result.id, "lib.open");
    CHECK(result.status == NACP_CHECK_FAIL && result.device == NULL && result.reason != NULL);
    WORKS(nacp_report_result_at(report, 1, &result, &error));
    CHECK(result.status == NACP_CHECK_SKIPPED && result.skip == NACP_SKIP_BLOCKED);
    error = fresh;
    CHECK(nacp_report_error(report, &error) == NACP_E_DRIVER_UNAVAILABLE);
    nacp_report_free(report);
}

/* The part of JSON text that is the first element of an array; freed by the caller. */
static char *first_of(const char *json, const char *name) {
    const char *at = strstr(json, name);
    CHECK(at != NULL);
    if (at == NULL) {
        return NULL;
    }
    at = strchr(at, '[') + 1;
    int depth = 0;
    const char *end = at;
    do {
        depth += *end == '{' ? 1 : *end == '}' ? -1 : 0;
        end++;
    } while (depth > 0);
    char *part = calloc((size_t)(end - at) + 1, 1);
    memcpy(part, at, (size_t)(end - at));
    return part;
}

static void works(void) {
    nacp_report *report = NULL;
    nacp_check_options options = NACP_CHECK_OPTIONS_INIT;
    struct heard heard = {.in_order = true};
    options.simulated = "rtx3050ti-laptop-wsl2";
    options.listener = hear;
    options.user = &heard;
    WORKS(nacp_check(&options, &report, &error));
    CHECK(heard.in_order && heard.ended == nacp_report_result_count(report) && heard.total == heard.ended);
    CHECK(nacp_report_verdict(report) == NACP_REPORT_PASS);
    CHECK(nacp_report_is_simulated(report) == 1);
    WORKS(nacp_report_error(report, &error));

    bool found = false;
    for (size_t index = 0; index < nacp_report_result_count(report); index++) {
        nacp_check_result result = NACP_CHECK_RESULT_INIT;
        WORKS(nacp_report_result_at(report, index, &result, &error));
        if (strcmp(result.id, "ctx.create") != 0) {
            continue;
        }
        found = true;
        CHECK(result.status == NACP_CHECK_PASS && result.reason == NULL && result.call == NULL && result.code == 0);
        CHECK_TEXT(result.device, "GPU-3050a701-0000-4000-8000-000000000001");
        CHECK(result.metrics > 0);
        nacp_check_metric metric = NACP_CHECK_METRIC_INIT;
        WORKS(nacp_report_metric_at(report, index, 0, &metric, &error));
        CHECK(metric.name != NULL && metric.value >= 0);
        CHECK_TEXT(metric.unit, "seconds");
        FAILS(nacp_report_metric_at(report, index, 1000, &metric, &error), NACP_E_NOT_FOUND, error.message);
        IS_NULL(nacp_report_metric_at(report, index, 0, NULL, &error), "metric");
    }
    CHECK(found);
    nacp_check_result result = NACP_CHECK_RESULT_INIT;
    CHECK(nacp_report_result_at(report, 1000, &result, &error) == NACP_E_NOT_FOUND);
    IS_NULL(nacp_report_result_at(NULL, 0, &result, &error), "report");

    nacp_string text = {0}, html = {0}, json = {0};
    error = fresh;
    WORKS(nacp_report_text(report, &text, &error));
    WORKS(nacp_report_html(report, &html, &error));
    WORKS(nacp_report_json(report, &json, &error));
    CHECK(strstr(text.data, "simulated") != NULL && strstr(html.data, "<!DOCTYPE html>") == html.data);
    IS_NULL(nacp_report_json(NULL, &text, &error), "report");

    char *certificate = first_of(json.data, "\"certificates\":");
    nacp_string told = {0};
    error = fresh;
    WORKS(nacp_certificate_verify_json(certificate, &told, &error));
    CHECK(strstr(told.data, "\"result\":\"wrong\"") == NULL && strstr(told.data, "\"result\":\"right\"") != NULL);
    nacp_string_free(&told);
    WORKS(nacp_certificate_compare_json(certificate, certificate, &told, &error));
    CHECK(strstr(told.data, "\"agreement\":\"same_bits\"") != NULL);
    nacp_string_free(&told);
    FAILS(nacp_certificate_verify_json("{}", &told, &error), NACP_E_INVALID_ARGUMENT,
          "not a certificate: it states no format");
    IS_NULL(nacp_certificate_compare_json(certificate, NULL, &told, &error), "other");
    free(certificate);
    nacp_string_free(&text);
    nacp_string_free(&html);
    nacp_string_free(&json);
    nacp_report_free(report);
}

/* A program of the caller's own: what is compiled for another GPU does not run on this one. */
static void fits(void) {
    nacp_check_options options = NACP_CHECK_OPTIONS_INIT;
    options.simulated = "rtx3050ti-laptop-wsl2";
    options.checks = "dev.arch_fit,drv.runtime_fit";
    options.sass = "sm_90";
    options.cuda = "12.8";
    nacp_report *found = NULL;
    error = fresh;
    WORKS(nacp_check(&options, &found, &error));
    CHECK(nacp_report_verdict(found) == NACP_REPORT_FAIL);
    CHECK(nacp_report_error(found, &error) == NACP_E_DEVICE_LOST);
    CHECK(strstr(error.message, "check=dev.arch_fit") != NULL);
    nacp_report_free(found);
    options.ptx = "8.0:compute_80";
    error = fresh;
    WORKS(nacp_check(&options, &found, &error));
    CHECK(nacp_report_verdict(found) == NACP_REPORT_PASS);
    nacp_report_free(found);
}

static void given_up(void) {
    nacp_report *report = NULL;
    nacp_check_options options = NACP_CHECK_OPTIONS_INIT;
    struct heard heard = {.in_order = true, .stop_after = 3};
    options.simulated = "h100x8";
    options.listener = hear;
    options.user = &heard;
    error = fresh;
    WORKS(nacp_check(&options, &report, &error));
    nacp_check_result result = NACP_CHECK_RESULT_INIT;
    WORKS(nacp_report_result_at(report, 3, &result, &error));
    CHECK(result.status == NACP_CHECK_SKIPPED && result.skip == NACP_SKIP_CANCELLED);
    nacp_report_free(report);
}

int main(void) {
    if (nacp_probe_answer()) {
        return 0;
    }
    refusals();
    error = fresh;
    absent();
    error = fresh;
    works();
    fits();
    given_up();
    CHECK(nacp_report_verdict(NULL) == 0 && nacp_report_result_count(NULL) == 0);
    nacp_report_free(NULL);
    return report();
}
