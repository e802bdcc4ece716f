// Work on a simulated machine with several devices: kernels, copies, streams, recorded work, peers and threads. Its
// argument is a file of PTX.
#include "driver.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS = 1000 };

static char ptx[65536];

static int launch(Handle function, Address memory, unsigned words, Handle stream) {
    void *parameters[] = {&memory, &words};
    return cuLaunchKernel(function, (words + 127) / 128, 1, 1, 128, 1, 1, 0, stream, parameters, NULL);
}

static int kernels_and_copies(void) {
    static unsigned words[WORDS], again[WORDS];
    Handle context, module, count, increment, stream;
    Address one, two;
    unsigned *pinned;
    IS(cuDevicePrimaryCtxRetain(&context, 0), 0);
    IS(cuCtxSetCurrent(context), 0);
    IS(cuModuleLoadData(&module, ptx), 0);
    IS(cuModuleGetFunction(&count, module, "count"), 0);
    IS(cuModuleGetFunction(&increment, module, "increment"), 0);
    IS(cuStreamCreate(&stream, 1), 0);
    IS(cuMemAlloc_v2(&one, sizeof words), 0);
    IS(cuMemAlloc_v2(&two, sizeof words), 0);
    IS(cuMemHostAlloc((void **)&pinned, sizeof words, 0), 0);
    IS(launch(count, one, WORDS, stream), 0);
    IS(cuMemcpyDtoDAsync_v2(two, one, sizeof words, stream), 0);
    IS(launch(increment, two, WORDS, stream), 0);
    IS(cuMemcpyDtoHAsync_v2(pinned, two, sizeof words, stream), 0);
    IS(cuStreamSynchronize(stream), 0);
    for (unsigned lane = 0; lane < WORDS; lane++) {
        IS((int)(pinned[lane] - (3 * lane + 2)), 0);
    }
    // A kernel uses pinned memory where it lies.
    IS(launch(increment, (Address)(uintptr_t)pinned, WORDS, stream), 0);
    IS(cuStreamSynchronize(stream), 0);
    IS((int)pinned[10], 33);
    // Pageable memory, bytes and words.
    IS(cuMemcpyHtoD_v2(one, pinned, sizeof words), 0);
    IS(cuMemsetD32Async(one, 77, 10, stream), 0);
    IS(cuMemsetD8Async(one + 40, 1, 4, stream), 0);
    IS(cuMemcpyDtoH_v2(words, one, sizeof words), 0);
    IS(words[9] == 77 && words[10] == 0x01010101 && words[11] == pinned[11], 1);
    IS(cuMemcpyDtoH_v2(again, one + 4 * 500, 4 * 500), 0);
    IS(memcmp(again, words + 500, 4 * 500), 0);
    IS(cuMemFreeHost(pinned), 0);
    IS(cuMemFree_v2(two), 0);
    IS(cuMemFree_v2(one), 0);
    IS(cuStreamDestroy_v2(stream), 0);
    IS(cuModuleUnload(module), 0);
    IS(cuCtxSetCurrent(NULL), 0);
    IS(cuDevicePrimaryCtxRelease_v2(0), 0);
    return 0;
}

// Two branches that part and meet, started three times.
static int recorded_work(void) {
    Handle context, module, increment, left, right, parted, met, graph, executable;
    Address memory;
    unsigned first = 0, second = 0;
    float milliseconds = -1;
    IS(cuCtxCreate_v2(&context, 0, 0), 0);
    IS(cuModuleLoadData(&module, ptx), 0);
    IS(cuModuleGetFunction(&increment, module, "increment"), 0);
    IS(cuStreamCreate(&left, 1), 0);
    IS(cuStreamCreate(&right, 1), 0);
    IS(cuEventCreate(&parted, 0), 0);
    IS(cuEventCreate(&met, 0), 0);
    IS(cuMemAlloc_v2(&memory, 4096), 0);
    IS(cuStreamBeginCapture_v2(left, 0), 0);
    IS(cuMemsetD32Async(memory, 5, 1024, left), 0);
    IS(cuEventRecord(parted, left), 0);
    IS(cuStreamWaitEvent(right, parted, 0), 0);
    IS(launch(increment, memory, 512, left), 0);
    IS(launch(increment, memory + 2048, 512, right), 0);
    IS(launch(increment, memory + 2048, 512, right), 0);
    IS(cuEventRecord(met, right), 0);
    IS(cuStreamWaitEvent(left, met, 0), 0);
    IS(launch(increment, memory, 1024, left), 0);
    IS(cuStreamEndCapture(left, &graph), 0);
    IS(cuGraphInstantiateWithFlags(&executable, graph, 0), 0);
    IS(cuGraphDestroy(graph), 0);
    IS(cuMemsetD32Async(memory, 0, 1024, right), 0);
    IS(cuMemcpyDtoHAsync_v2(&first, memory, 4, right), 0);
    IS((int)first, 0);
    IS(cuEventRecord(parted, right), 0);
    for (int times = 0; times < 3; times++) {
        IS(cuGraphLaunch(executable, right), 0);
    }
    IS(cuEventRecord(met, right), 0);
    IS(cuStreamSynchronize(right), 0);
    IS(cuEventElapsedTime(&milliseconds, parted, met), 0);
    IS(milliseconds > 0.0f, 1);
    IS(cuEventElapsedTime_v2(&milliseconds, met, parted), 0);
    IS(milliseconds < 0.0f, 1);
    IS(cuMemcpyDtoH_v2(&first, memory, 4), 0);
    IS(cuMemcpyDtoH_v2(&second, memory + 4092, 4), 0);
    IS((int)first, 7);
    IS((int)second, 8);
    // Recorded work may be recorded again as a part of other work.
    IS(cuStreamBeginCapture_v2(left, 0), 0);
    IS(cuGraphLaunch(executable, left), 0);
    IS(launch(increment, memory, 1024, left), 0);
    IS(cuStreamEndCapture(left, &graph), 0);
    IS(cuGraphExecDestroy(executable), 0);
    IS(cuGraphInstantiateWithFlags(&executable, graph, 0), 0);
    IS(cuGraphLaunch(executable, left), 0);
    IS(cuMemcpyDtoHAsync_v2(&first, memory, 4, left), 0);
    IS((int)first, 8);
    IS(cuGraphExecDestroy(executable), 0);
    IS(cuGraphDestroy(graph), 0);
    IS(cuCtxDestroy_v2(context), 0);
    return 0;
}

// Whether a kernel of the current context writes this memory. A refusal breaks the device for good.
static int writes(Handle increment, Address memory) {
    IS(launch(increment, memory, 16, NULL), 0);
    return cuCtxSynchronize();
}

static int peers(void) {
    Handle first, second, module, increment;
    Address here, there;
    unsigned word = 0;
    int answer = -1;
    IS(cuDeviceCanAccessPeer(&answer, 0, 1), 0);
    IS(answer, 1);
    IS(cuCtxCreate_v2(&second, 0, 1), 0);
    IS(cuMemAlloc_v2(&there, 64), 0);
    IS(cuMemsetD32_v2(there, 41, 16), 0);
    IS(cuCtxCreate_v2(&first, 0, 0), 0);
    IS(cuModuleLoadData(&module, ptx), 0);
    IS(cuModuleGetFunction(&increment, module, "increment"), 0);
    IS(cuMemAlloc_v2(&here, 64), 0);
    IS(cuCtxEnablePeerAccess(second, 0), 0);
    IS(writes(increment, there), 0);
    IS(cuMemcpyPeerAsync(here, second, there, second, 64, NULL), 1);
    IS(cuMemcpyPeerAsync(here, first, there, second, 65, NULL), 1);
    IS(cuMemcpyPeerAsync(here, first, there, second, 64, NULL), 0);
    IS(cuMemcpyDtoH_v2(&word, here + 60, 4), 0);
    IS((int)word, 42);
    IS(cuCtxDisablePeerAccess(second), 0);
    IS(writes(increment, here), 0);
    IS(writes(increment, there), 700);
    IS(cuMemFree_v2(here), 700);
    // The other device has nothing to do with it.
    IS(cuCtxPushCurrent_v2(second), 0);
    IS(cuMemcpyDtoH_v2(&word, there, 4), 0);
    IS((int)word, 42);
    IS(cuCtxDestroy_v2(second), 0);
    IS(cuCtxDestroy_v2(first), 0);
    return 0;
}

struct Job {
    int device, answer;
};

// Everything at once, in a context that others use too and in one of its own.
static int job(int device) {
    Handle context, own, module, increment, stream;
    Address memory;
    static const unsigned zero[256];
    unsigned words[256];
    IS(cuDevicePrimaryCtxRetain(&context, device), 0);
    IS(cuCtxSetCurrent(context), 0);
    for (unsigned times = 1; times <= 5; times++) {
        IS(cuCtxCreate_v2(&own, 0, device), 0);
        IS(cuModuleLoadData(&module, ptx), 0);
        IS(cuModuleGetFunction(&increment, module, "increment"), 0);
        IS(cuStreamCreate(&stream, 1), 0);
        IS(cuMemAlloc_v2(&memory, sizeof words), 0);
        IS(cuMemcpyHtoDAsync_v2(memory, zero, sizeof words, stream), 0);
        for (unsigned nth = 0; nth < 20; nth++) {
            IS(launch(increment, memory, 256, stream), 0);
        }
        IS(cuCtxSynchronize(), 0);
        IS(cuMemcpyDtoHAsync_v2(words, memory, sizeof words, stream), 0);
        IS(words[0] == 20 && words[255] == 20, 1);
        if (times % 2 == 0) {
            IS(cuMemFree_v2(memory), 0);
        }
        IS(cuCtxDestroy_v2(own), 0);
    }
    IS(cuMemAlloc_v2(&memory, 64), 0);
    IS(cuMemFree_v2(memory), 0);
    IS(cuCtxSetCurrent(NULL), 0);
    IS(cuDevicePrimaryCtxRelease_v2(device), 0);
    return 0;
}

static void *run(void *given) {
    struct Job *mine = given;
    mine->answer = job(mine->device);
    return NULL;
}

static int threads(void) {
    pthread_t thread[6];
    struct Job jobs[6];
    size_t before, after;
    Handle context;
    IS(cuDevicePrimaryCtxRetain(&context, 2), 0);
    IS(cuCtxSetCurrent(context), 0);
    IS(cuMemGetInfo_v2(&before, NULL), 0);
    for (int nth = 0; nth < 6; nth++) {
        jobs[nth] = (struct Job){.device = 2 + nth % 2, .answer = -1};
        IS(pthread_create(&thread[nth], NULL, run, &jobs[nth]), 0);
    }
    for (int nth = 0; nth < 6; nth++) {
        IS(pthread_join(thread[nth], NULL), 0);
        IS(jobs[nth].answer, 0);
    }
    IS(cuMemGetInfo_v2(&after, NULL), 0);
    IS(after == before, 1);
    IS(cuCtxSetCurrent(NULL), 0);
    IS(cuDevicePrimaryCtxRelease_v2(2), 0);
    IS(cuDevicePrimaryCtxRelease_v2(2), 201);
    return 0;
}

int main(int count, char **arguments) {
    FILE *file = count > 1 ? fopen(arguments[1], "r") : NULL;
    if (file == NULL) {
        return 2;
    }
    size_t length = fread(ptx, 1, sizeof ptx - 1, file);
    fclose(file);
    if (length == 0) {
        return 2;
    }
    IS(cuInit(0), 0);
    return kernels_and_copies() || recorded_work() || threads() || peers();
}
