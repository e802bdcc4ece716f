/*
 * CUDA in C: does it work on this machine, how fast, and does it repeat bit for bit.
 *
 * It checks this machine's driver, in children of its own so that a driver that hangs takes only them with it, or a
 * simulated node that is named:
 *
 *     cargo build --release -p nacp-ffi
 *     mkdir -p target/c && ln -sf ../release/libnacp.so target/c/libnacp.so.0
 *     gcc -std=c11 -O2 examples/c/check.c -I nacp-ffi/include -o target/c/check \
 *         -L target/release -lnacp -Wl,-rpath,'$ORIGIN'
 *     target/c/check [quick | standard | full] [NODE]
 *
 * It ends with 0 when CUDA works, 1 when it does not, 2 when it was asked wrongly.
 */

#include <nacp.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const LEVELS[] = {"quick", "standard", "full"};
static const char *const STATUS[] = {"?", "pass", "warn", "FAIL", "skipped", "ERROR"};

/* Is told of each step on this thread. Another answer than 0 would end the run. */
static int32_t tell(const nacp_check_step *step, void *user) {
    (void)user;
    if (step->ended) {
        fprintf(stderr, "\r%3u of %u  %-16s", step->done, step->total, step->id);
    }
    return 0;
}

static int failed(const char *what, const nacp_error *error) {
    fprintf(stderr, "%s: %s\n", what, error->message);
    return 2;
}

static int show(const nacp_report *report) {
    nacp_error error = NACP_ERROR_INIT;
    for (size_t index = 0; index < nacp_report_result_count(report); index++) {
        nacp_check_result result = NACP_CHECK_RESULT_INIT;
        if (nacp_report_result_at(report, index, &result, &error) != NACP_OK) {
            return failed("result", &error);
        }
        printf("%-8s %-15s %-40s %6.0f ms  %s\n", STATUS[result.status], result.id,
               result.device ? result.device : "", result.seconds * 1e3, result.reason ? result.reason : "");
        for (size_t value = 0; value < result.metrics; value++) {
            nacp_check_metric metric = NACP_CHECK_METRIC_INIT;
            if (nacp_report_metric_at(report, index, value, &metric, &error) != NACP_OK) {
                return failed("metric", &error);
            }
            printf("         %-32s %.6g %s", metric.name, metric.value, metric.unit);
            if (!isnan(metric.p99)) {
                printf(" (p99 %.6g of %u)", metric.p99, metric.n);
            }
            printf("\n");
        }
    }
    const char *simulated = nacp_report_is_simulated(report) ? "SIMULATED: nothing is said of any real GPU\n" : "";
    printf("\n%s%.2f s; ", simulated, nacp_report_seconds(report));
    if (nacp_report_error(report, &error) != NACP_OK) {
        printf("CUDA does not work here: %s\n", error.message);
        return 1;
    }
    printf("CUDA works here\n");
    return 0;
}

int main(int argc, char **argv) {
    /* This program is its own child: then there is nothing else to do. */
    if (nacp_probe_answer()) {
        return 0;
    }
    nacp_check_options options = NACP_CHECK_OPTIONS_INIT;
    if (argc > 1) {
        while (options.level < 3 && strcmp(argv[1], LEVELS[options.level]) != 0) {
            options.level++;
        }
    }
    if (options.level == 3 || argc > 3) {
        fprintf(stderr, "usage: %s [quick | standard | full] [NODE]\n", argv[0]);
        return 2;
    }
    options.simulated = argc > 2 ? argv[2] : NULL;
    options.program = options.simulated ? NULL : "self";
    options.listener = tell;

    nacp_error error = NACP_ERROR_INIT;
    nacp_report *report = NULL;
    nacp_status status = nacp_check(&options, &report, &error);
    fprintf(stderr, "\r%40s\r", "");
    if (status != NACP_OK) {
        return failed("check", &error);
    }
    int result = show(report);
    nacp_report_free(report);
    return result;
}
