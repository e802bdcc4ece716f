/* What the C tests share: checks that count, and calls that are held to their exact words. */

#ifndef CHECKS_H
#define CHECKS_H

#include "nacp.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

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

static inline nacp_ctx *context(const char *node) {
    nacp_ctx *ctx = NULL;
    nacp_ctx_options options = NACP_CTX_OPTIONS_INIT;
    options.node = node;
    options.engine = "simulated";
    options.worker_threads = 2;
    WORKS(nacp_ctx_new(&options, &ctx, &error));
    CHECK(ctx != NULL);
    return ctx;
}

static int report(void) {
    printf("%d checks, %d failed\n", checks, failures);
    return failures == 0 ? 0 : 1;
}

#endif
