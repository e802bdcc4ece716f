/* The floor of `benches/run cuda`: what every program must do before it can use a GPU, with nothing around it. */

#include <dlfcn.h>
#include <stdio.h>
#include <time.h>

typedef struct CUctx_st *context;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

int main(void) {
  const double start = now();
  /* As lazily as NACP opens it: to bind every symbol at once would make the floor slower than what stands on it. */
  void *library = dlopen("libcuda.so.1", RTLD_LAZY);
  if (!library) {
    fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  int (*init)(unsigned), (*get_device)(int *, int), (*retain)(context *, int);
  *(void **)&init = dlsym(library, "cuInit");
  *(void **)&get_device = dlsym(library, "cuDeviceGet");
  *(void **)&retain = dlsym(library, "cuDevicePrimaryCtxRetain");
  if (!init || !get_device || !retain) {
    fprintf(stderr, "a function is missing\n");
    return 1;
  }
  int device, code;
  context context;
  if ((code = init(0)) || (code = get_device(&device, 0)) || (code = retain(&context, device))) {
    fprintf(stderr, "the driver answers %d\n", code);
    return 1;
  }
  printf("%.3f\n", now() - start);
  return 0;
}
