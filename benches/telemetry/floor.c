/* The floor of `benches/run telemetry`: the same twelve calls for each GPU, with nothing around them. */

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>

#define MOST_GPUS 64

typedef struct nvmlDevice *gpu;

typedef struct {
  unsigned gpu, memory;
} rates;

typedef struct {
  unsigned version;
  uint64_t total, reserved, free, used;
} memory;

typedef struct {
  unsigned version, sensor;
  int temperature;
} temperature;

/* What one tick reads of one GPU. */
typedef struct {
  rates busy;
  memory memory;
  temperature temperature;
  unsigned power, limit, graphics, sm, mem, state, encoder, decoder, period;
  uint64_t energy;
  int failed;
} reading;

static int (*get_rates)(gpu, rates *);
static int (*get_memory)(gpu, memory *);
static int (*get_temperature)(gpu, temperature *);
static int (*get_clock)(gpu, int, unsigned *);
static int (*get_power)(gpu, unsigned *);
static int (*get_limit)(gpu, unsigned *);
static int (*get_state)(gpu, int *);
static int (*get_encoder)(gpu, unsigned *, unsigned *);
static int (*get_decoder)(gpu, unsigned *, unsigned *);
static int (*get_energy)(gpu, uint64_t *);

static gpu gpus[MOST_GPUS];
static unsigned count;
static reading readings[MOST_GPUS];

static void *symbol(void *library, const char *name) {
  void *found = dlsym(library, name);
  if (!found) fprintf(stderr, "floor: no %s\n", name);
  return found;
}

#define TAKE(place, name)                                \
  do {                                                   \
    *(void **)&(place) = symbol(library, "nvml" name);   \
    if (!(place)) return -1;                             \
  } while (0)

/* Opens the library; answers the number of its GPUs, or something negative. */
int floor_open(const char *path) {
  int (*init)(void), (*get_count)(unsigned *), (*get_gpu)(unsigned, gpu *);
  void *library = dlopen(path, RTLD_NOW);
  if (!library) return -1;
  TAKE(init, "Init_v2");
  TAKE(get_count, "DeviceGetCount_v2");
  TAKE(get_gpu, "DeviceGetHandleByIndex_v2");
  TAKE(get_rates, "DeviceGetUtilizationRates");
  TAKE(get_memory, "DeviceGetMemoryInfo_v2");
  TAKE(get_temperature, "DeviceGetTemperatureV");
  TAKE(get_clock, "DeviceGetClockInfo");
  TAKE(get_power, "DeviceGetPowerUsage");
  TAKE(get_limit, "DeviceGetEnforcedPowerLimit");
  TAKE(get_state, "DeviceGetPerformanceState");
  TAKE(get_encoder, "DeviceGetEncoderUtilization");
  TAKE(get_decoder, "DeviceGetDecoderUtilization");
  TAKE(get_energy, "DeviceGetTotalEnergyConsumption");
  if (init() || get_count(&count) || count > MOST_GPUS) return -2;
  for (unsigned i = 0; i < count; i++)
    if (get_gpu(i, &gpus[i])) return -3;
  return (int)count;
}

/* One tick; answers how many calls failed. */
int floor_tick(void) {
  int failed = 0;
  for (unsigned i = 0; i < count; i++) {
    reading *to = &readings[i];
    to->memory.version = sizeof(memory) | 2u << 24;
    to->temperature.version = sizeof(temperature) | 1u << 24;
    failed += get_rates(gpus[i], &to->busy) != 0;
    failed += get_power(gpus[i], &to->power) != 0;
    failed += get_memory(gpus[i], &to->memory) != 0;
    failed += get_temperature(gpus[i], &to->temperature) != 0;
    failed += get_clock(gpus[i], 0, &to->graphics) != 0;
    failed += get_clock(gpus[i], 1, &to->sm) != 0;
    failed += get_clock(gpus[i], 2, &to->mem) != 0;
    failed += get_limit(gpus[i], &to->limit) != 0;
    failed += get_state(gpus[i], (int *)&to->state) != 0;
    failed += get_encoder(gpus[i], &to->encoder, &to->period) != 0;
    failed += get_decoder(gpus[i], &to->decoder, &to->period) != 0;
    failed += get_energy(gpus[i], &to->energy) != 0;
  }
  return failed;
}
