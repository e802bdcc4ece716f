/* What the tests about GPUs share. Their argument is a folder that the test has filled: recorded.jsonl, a recording of
 * two GPUs of which everything is known, and scripted.json, a node on which something happens. What is written goes
 * there too. */

#ifndef GPUS_H
#define GPUS_H

#include "checks.h"

static const char *folder;

/* The path of a file in the test's folder; it lives until the next call. */
static const char *file(const char *prefix, const char *name) {
    static char path[4096];
    snprintf(path, sizeof path, "%s%s/%s", prefix, folder, name);
    return path;
}

static nacp_node *discover(const nacp_ctx *ctx) {
    nacp_node *node = NULL;
    WORKS(nacp_discover(ctx, &node, &error));
    CHECK(node != NULL);
    return node;
}

#endif
