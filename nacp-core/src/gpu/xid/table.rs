//! The catalogue. Numbers 1 to 172 with their advice are NVIDIA's for Ampere and later GPUs, as of October 2025; those after
//! that are named in the source of the open kernel modules 595.45.04 and have no advice yet. 999 is what NVML reports when
//! it knows no number.

use super::{Action, Xid};

macro_rules! advice {
    (-) => {
        None
    };
    ($action:ident) => {
        Some(Action::$action)
    };
}

macro_rules! catalogue {
    ($($code:literal $name:ident $immediate:tt $investigate:tt $meaning:literal;)*) => {
        /// Every Xid of the catalogue, by number.
        pub static CATALOGUE: &[Xid] = &[$(Xid {
            code: $code,
            name: stringify!($name),
            meaning: $meaning,
            immediate: advice!($immediate),
            investigate: advice!($investigate),
        }),*];
    };
}

catalogue! {
    1 ROBUST_CHANNEL_FIFO_ERROR_FIFO_METHOD ContactSupport - "not used by Ampere and later GPUs";
    2 ROBUST_CHANNEL_FIFO_ERROR_SW_METHOD ContactSupport - "not used by Ampere and later GPUs";
    3 ROBUST_CHANNEL_FIFO_ERROR_UNK_METHOD ContactSupport - "not used by Ampere and later GPUs";
    4 ROBUST_CHANNEL_FIFO_ERROR_CHANNEL_BUSY ContactSupport - "not used by Ampere and later GPUs";
    5 ROBUST_CHANNEL_FIFO_ERROR_RUNOUT_OVERFLOW ContactSupport - "not used by Ampere and later GPUs";
    6 ROBUST_CHANNEL_FIFO_ERROR_PARSE_ERR ContactSupport - "not used by Ampere and later GPUs";
    7 ROBUST_CHANNEL_FIFO_ERROR_PTE_ERR ContactSupport - "not used by Ampere and later GPUs";
    8 ROBUST_CHANNEL_FIFO_ERROR_IDLE_TIMEOUT RestartApp ContactSupport "a channel of the GPU stood still for too long";
    9 ROBUST_CHANNEL_GR_ERROR_INSTANCE ContactSupport - "not used by Ampere and later GPUs";
    10 ROBUST_CHANNEL_GR_ERROR_SINGLE_STEP ContactSupport - "not used by Ampere and later GPUs";
    11 ROBUST_CHANNEL_GR_ERROR_MISSING_HW RestartApp CheckApp "the stream of commands to the GPU was broken";
    12 ROBUST_CHANNEL_GR_ERROR_SW_METHOD ContactSupport - "not used by Ampere and later GPUs";
    13 ROBUST_CHANNEL_GR_EXCEPTION RestartApp WorkflowXid13
        "the compute or graphics engine met an illegal instruction or address, most often of the program";
    14 ROBUST_CHANNEL_FAKE_ERROR Ignore ContactSupport "not used by Ampere and later GPUs";
    15 ROBUST_CHANNEL_SCANLINE_TIMEOUT ContactSupport - "not used by Ampere and later GPUs";
    16 ROBUST_CHANNEL_VBLANK_CALLBACK_TIMEOUT ContactSupport - "not used by Ampere and later GPUs";
    17 ROBUST_CHANNEL_PARAMETER_ERROR ContactSupport - "not used by Ampere and later GPUs";
    18 ROBUST_CHANNEL_BUS_MASTER_TIMEOUT_ERROR ContactSupport - "not used by Ampere and later GPUs";
    19 ROBUST_CHANNEL_DISP_MISSED_NOTIFIER ContactSupport - "not used by Ampere and later GPUs";
    20 ROBUST_CHANNEL_MPEG_ERROR_SW_METHOD ContactSupport - "not used by Ampere and later GPUs";
    21 ROBUST_CHANNEL_ME_ERROR_SW_METHOD ContactSupport - "not used by Ampere and later GPUs";
    22 ROBUST_CHANNEL_VP_ERROR_SW_METHOD ContactSupport - "not used by Ampere and later GPUs";
    23 ROBUST_CHANNEL_RC_LOGGING_ENABLED ContactSupport - "not used by Ampere and later GPUs";
    24 ROBUST_CHANNEL_GR_SEMAPHORE_TIMEOUT ContactSupport - "not used by Ampere and later GPUs";
    25 ROBUST_CHANNEL_GR_ILLEGAL_NOTIFY RestartApp CheckApp "the stream of commands to the GPU was not allowed";
    26 ROBUST_CHANNEL_FIFO_ERROR_FBISTATE_TIMEOUT ContactSupport - "not used by Ampere and later GPUs";
    27 ROBUST_CHANNEL_VP_ERROR ContactSupport - "not used by Ampere and later GPUs";
    28 ROBUST_CHANNEL_VP2_ERROR ContactSupport - "not used by Ampere and later GPUs";
    29 ROBUST_CHANNEL_BSP_ERROR ContactSupport - "not used by Ampere and later GPUs";
    30 ROBUST_CHANNEL_BAD_ADDR_ACCESS ContactSupport - "not used by Ampere and later GPUs";
    31 ROBUST_CHANNEL_FIFO_ERROR_MMU_ERR_FLT RestartApp WorkflowXid31 "the program used an address that is not mapped";
    32 ROBUST_CHANNEL_PBDMA_ERROR RestartApp CheckApp
        "the stream of commands to the GPU was broken, in the program or on the bus";
    33 ROBUST_CHANNEL_SEC_ERROR ContactSupport - "not used by Ampere and later GPUs";
    34 ROBUST_CHANNEL_MSVLD_ERROR ContactSupport - "not used by Ampere and later GPUs";
    35 ROBUST_CHANNEL_MSPDEC_ERROR ContactSupport - "not used by Ampere and later GPUs";
    36 ROBUST_CHANNEL_MSPPP_ERROR ContactSupport - "not used by Ampere and later GPUs";
    37 ROBUST_CHANNEL_FECS_ERR_UNIMP_FIRMWARE_METHOD Ignore CheckApp
        "the driver's firmware was asked for something it does not know";
    38 ROBUST_CHANNEL_FECS_ERR_WATCHDOG_TIMEOUT Ignore ContactSupport "the driver's firmware did not answer in time";
    39 ROBUST_CHANNEL_CE0_ERROR RestartApp ContactSupport "copy engine 0 failed";
    40 ROBUST_CHANNEL_CE1_ERROR RestartApp ContactSupport "copy engine 1 failed";
    41 ROBUST_CHANNEL_CE2_ERROR RestartApp ContactSupport "copy engine 2 failed";
    42 ROBUST_CHANNEL_VIC_ERROR ContactSupport - "not used by Ampere and later GPUs";
    43 ROBUST_CHANNEL_RESETCHANNEL_VERIF_ERROR Ignore ContactSupport
        "the GPU ended the work of a program that had gone wrong; the GPU itself is well";
    44 ROBUST_CHANNEL_GR_FAULT_DURING_CTXSW Ignore ContactSupport
        "the engine failed while it changed from one program to another";
    45 ROBUST_CHANNEL_PREEMPTIVE_REMOVAL WorkflowXid45 -
        "the work of a program was removed, because it ended or because of another error";
    46 ROBUST_CHANNEL_GPU_TIMEOUT_ERROR ResetGpu ContactSupport "the GPU stopped processing and did not come back";
    47 ROBUST_CHANNEL_NVENC0_ERROR ContactSupport - "not used by Ampere and later GPUs";
    48 ROBUST_CHANNEL_GPU_ECC_DBE WorkflowXid48 - "memory had an error of two bits, which cannot be corrected";
    49 SILENT_RUNNING_CONSTANT_LEVEL_SET_BY_REGISTRY ContactSupport - "not used by Ampere and later GPUs";
    50 SILENT_RUNNING_LEVEL_TRANSITION_DUE_TO_RC_ERROR ContactSupport - "not used by Ampere and later GPUs";
    51 SILENT_RUNNING_STRESS_TEST_FAILURE ContactSupport - "not used by Ampere and later GPUs";
    52 SILENT_RUNNING_LEVEL_TRANS_DUE_TO_TEMP_RISE ContactSupport - "not used by Ampere and later GPUs";
    53 SILENT_RUNNING_TEMP_REDUCED_CLOCKING ContactSupport - "not used by Ampere and later GPUs";
    54 SILENT_RUNNING_PWR_REDUCED_CLOCKING CheckMechanicals ContactSupport
        "the board's own power cable is missing or loose";
    55 SILENT_RUNNING_TEMPERATURE_READ_ERROR ContactSupport - "not used by Ampere and later GPUs";
    56 DISPLAY_CHANNEL_EXCEPTION ContactSupport - "not used by Ampere and later GPUs";
    57 FB_LINK_TRAINING_FAILURE_ERROR ContactSupport - "not used by Ampere and later GPUs";
    58 FB_MEMORY_ERROR ContactSupport - "not used by Ampere and later GPUs";
    59 PMU_ERROR ContactSupport - "not used by Ampere and later GPUs";
    60 ROBUST_CHANNEL_SEC2_ERROR RestartApp InvestigateSoftware "the video processor failed";
    61 PMU_BREAKPOINT ContactSupport - "not used by Ampere and later GPUs";
    62 PMU_HALT_ERROR ResetGpu ContactSupport "a microcontroller inside the GPU has halted";
    63 INFOROM_DRAM_RETIREMENT_EVENT Ignore - "a faulty row or page of memory was marked for replacement";
    64 INFOROM_DRAM_RETIREMENT_FAILURE ResetGpu ContactSupport "a faulty row or page of memory could not be replaced";
    65 ROBUST_CHANNEL_NVENC1_ERROR ContactSupport - "not used by Ampere and later GPUs";
    66 ROBUST_CHANNEL_FECS_ERR_REG_ACCESS_VIOLATION Ignore InvestigateSoftware
        "the driver touched a register that it must not";
    67 ROBUST_CHANNEL_FECS_ERR_VERIF_VIOLATION Ignore ContactSupport "the driver broke a rule of the hardware";
    68 ROBUST_CHANNEL_NVDEC0_ERROR RestartApp ContactSupport "video decoder 0 failed";
    69 ROBUST_CHANNEL_GR_CLASS_ERROR RestartApp CheckApp "the engine got a command that its class does not have";
    70 ROBUST_CHANNEL_CE3_ERROR RestartApp ContactSupport "copy engine 3 failed";
    71 ROBUST_CHANNEL_CE4_ERROR RestartApp ContactSupport "copy engine 4 failed";
    72 ROBUST_CHANNEL_CE5_ERROR RestartApp ContactSupport "copy engine 5 failed";
    73 ROBUST_CHANNEL_NVENC2_ERROR ContactSupport - "not used by Ampere and later GPUs";
    74 NVLINK_ERROR WorkflowNvlink ContactSupport "an NVLink had an error";
    75 ROBUST_CHANNEL_CE6_ERROR RestartApp ContactSupport "copy engine 6 failed";
    76 ROBUST_CHANNEL_CE7_ERROR RestartApp ContactSupport "copy engine 7 failed";
    77 ROBUST_CHANNEL_CE8_ERROR RestartApp ContactSupport "copy engine 8 failed";
    78 VGPU_START_ERROR UpdateSoftware - "a virtual GPU could not be started";
    79 ROBUST_CHANNEL_GPU_HAS_FALLEN_OFF_THE_BUS RestartMachine ContactSupport
        "the GPU cannot be reached on its bus any more";
    80 PBDMA_PUSHBUFFER_CRC_MISMATCH RestartApp CheckApp "commands arrived at the GPU damaged";
    81 ROBUST_CHANNEL_VGA_SUBSYSTEM_ERROR ContactSupport - "not used by Ampere and later GPUs";
    82 ROBUST_CHANNEL_NVJPG0_ERROR RestartApp ContactSupport "JPEG decoder 0 failed";
    83 ROBUST_CHANNEL_NVDEC1_ERROR RestartApp ContactSupport "video decoder 1 failed";
    84 ROBUST_CHANNEL_NVDEC2_ERROR RestartApp ContactSupport "video decoder 2 failed";
    85 ROBUST_CHANNEL_CE9_ERROR RestartApp ContactSupport "copy engine 9 failed";
    86 ROBUST_CHANNEL_OFA0_ERROR RestartApp ContactSupport "optical flow engine 0 failed";
    87 NVTELEMETRY_DRIVER_REPORT ContactSupport - "not used by Ampere and later GPUs";
    88 ROBUST_CHANNEL_NVDEC3_ERROR RestartApp ContactSupport "video decoder 3 failed";
    89 ROBUST_CHANNEL_NVDEC4_ERROR RestartApp ContactSupport "video decoder 4 failed";
    90 LTC_ERROR ContactSupport - "not used by Ampere and later GPUs";
    91 RESERVED_XID ContactSupport - "not used by Ampere and later GPUs";
    92 EXCESSIVE_SBE_INTERRUPTS Ignore ContactSupport "many single bits of memory had to be corrected";
    93 INFOROM_ERASE_LIMIT_EXCEEDED Ignore ContactSupport "the InfoROM was written more often than planned";
    94 ROBUST_CHANNEL_CONTAINED_ERROR RestartApp -
        "a memory error was contained: it cost the program that used the memory";
    95 ROBUST_CHANNEL_UNCONTAINED_ERROR ResetGpu -
        "a memory error was not contained: every program on the GPU may be wrong";
    96 ROBUST_CHANNEL_NVDEC5_ERROR RestartApp ContactSupport "video decoder 5 failed";
    97 ROBUST_CHANNEL_NVDEC6_ERROR RestartApp ContactSupport "video decoder 6 failed";
    98 ROBUST_CHANNEL_NVDEC7_ERROR RestartApp ContactSupport "video decoder 7 failed";
    99 ROBUST_CHANNEL_NVJPG1_ERROR RestartApp ContactSupport "JPEG decoder 1 failed";
    100 ROBUST_CHANNEL_NVJPG2_ERROR RestartApp ContactSupport "JPEG decoder 2 failed";
    101 ROBUST_CHANNEL_NVJPG3_ERROR RestartApp ContactSupport "JPEG decoder 3 failed";
    102 ROBUST_CHANNEL_NVJPG4_ERROR RestartApp ContactSupport "JPEG decoder 4 failed";
    103 ROBUST_CHANNEL_NVJPG5_ERROR RestartApp ContactSupport "JPEG decoder 5 failed";
    104 ROBUST_CHANNEL_NVJPG6_ERROR RestartApp ContactSupport "JPEG decoder 6 failed";
    105 ROBUST_CHANNEL_NVJPG7_ERROR RestartApp ContactSupport "JPEG decoder 7 failed";
    106 SMBPBI_TEST_MESSAGE Ignore - "a test message of the management bus";
    107 SMBPBI_TEST_MESSAGE_SILENT Ignore - "a silent test message of the management bus";
    108 NVLINK_REMOTE_TRANSLATION_ERROR Ignore WorkflowXid137 "NVLink could not translate an address of the other side";
    109 ROBUST_CHANNEL_CTXSW_TIMEOUT_ERROR ResetGpu ContactSupport
        "the engine did not change from one program to another in time";
    110 SEC_FAULT_ERROR ResetGpu InvestigateSoftware "the GPU's security found a fault";
    111 BUNDLE_ERROR_EVENT ContactSupport - "not used by Ampere and later GPUs";
    112 DISP_SUPERVISOR_ERROR ContactSupport - "not used by Ampere and later GPUs";
    113 DP_LT_FAILURE ContactSupport - "not used by Ampere and later GPUs";
    114 HEAD_RG_UNDERFLOW ContactSupport - "not used by Ampere and later GPUs";
    115 CORE_CHANNEL_REGS ContactSupport - "not used by Ampere and later GPUs";
    116 WINDOW_CHANNEL_REGS ContactSupport - "not used by Ampere and later GPUs";
    117 CURSOR_CHANNEL_REGS ContactSupport - "not used by Ampere and later GPUs";
    118 HEAD_REGS ContactSupport - "not used by Ampere and later GPUs";
    119 GSP_RPC_TIMEOUT ResetGpu InvestigateSoftware "the GPU's system processor did not answer a request in time";
    120 GSP_ERROR ResetGpu InvestigateSoftware "the GPU's system processor failed";
    121 C2C_ERROR Ignore ContactSupport "the link between GPU and CPU had a correctable error";
    122 SPI_PMU_RPC_READ_FAIL ContactSupport - "not used by Ampere and later GPUs";
    123 SPI_PMU_RPC_WRITE_FAIL ContactSupport - "not used by Ampere and later GPUs";
    124 SPI_PMU_RPC_ERASE_FAIL ContactSupport - "not used by Ampere and later GPUs";
    125 INFOROM_FS_ERROR ContactSupport - "not used by Ampere and later GPUs";
    126 ROBUST_CHANNEL_CE10_ERROR RestartApp ContactSupport "copy engine 10 failed";
    127 ROBUST_CHANNEL_CE11_ERROR RestartApp ContactSupport "copy engine 11 failed";
    128 ROBUST_CHANNEL_CE12_ERROR RestartApp ContactSupport "copy engine 12 failed";
    129 ROBUST_CHANNEL_CE13_ERROR RestartApp ContactSupport "copy engine 13 failed";
    130 ROBUST_CHANNEL_CE14_ERROR RestartApp ContactSupport "copy engine 14 failed";
    131 ROBUST_CHANNEL_CE15_ERROR RestartApp ContactSupport "copy engine 15 failed";
    132 ROBUST_CHANNEL_CE16_ERROR RestartApp ContactSupport "copy engine 16 failed";
    133 ROBUST_CHANNEL_CE17_ERROR RestartApp ContactSupport "copy engine 17 failed";
    134 ROBUST_CHANNEL_CE18_ERROR RestartApp ContactSupport "copy engine 18 failed";
    135 ROBUST_CHANNEL_CE19_ERROR RestartApp ContactSupport "copy engine 19 failed";
    136 ALI_TRAINING_FAIL ResetGpu InvestigateLink "an NVLink could not be trained";
    137 NVLINK_PRIV_ERR Ignore WorkflowXid137
        "an NVLink was refused an access, as after the end of the program on the other side";
    138 ROBUST_CHANNEL_DLA_ERROR ContactSupport - "not used by Ampere and later GPUs";
    139 ROBUST_CHANNEL_OFA1_ERROR RestartApp ContactSupport "optical flow engine 1 failed";
    140 UNRECOVERABLE_ECC_ERROR_ESCAPE ResetGpu ContactSupport
        "the GPU did not recover from an uncorrectable memory error";
    141 ROBUST_CHANNEL_FAST_PATH_ERROR Ignore ContactSupport "the fast path of CUDA had an error";
    142 ROBUST_CHANNEL_NVENC3_ERROR ContactSupport - "video encoder 3 failed";
    143 GPU_INIT_ERROR ResetGpu ContactSupport "the GPU could not be initialised";
    144 NVLINK_SAW_ERROR WorkflowNvlink5 - "NVLink 5: an error in its unit SAW";
    145 NVLINK_RLW_ERROR WorkflowNvlink5 - "NVLink 5: an error in its unit RLW";
    146 NVLINK_TLW_ERROR WorkflowNvlink5 - "NVLink 5: an error in its unit TLW";
    147 NVLINK_TREX_ERROR WorkflowNvlink5 - "NVLink 5: an error in its unit TREX";
    148 NVLINK_NVLPW_CTRL_ERROR WorkflowNvlink5 - "NVLink 5: an error in its unit NVLPW_CTRL";
    149 NVLINK_NETIR_ERROR WorkflowNvlink5 - "NVLink 5: an error in its unit NETIR, such as a link that went down";
    150 NVLINK_MSE_ERROR WorkflowNvlink5 - "NVLink 5: an error in its unit MSE";
    151 ROBUST_CHANNEL_KEY_ROTATION_ERROR RestartVm ContactSupport
        "a key for confidential computing could not be changed";
    152 ROBUST_CHANNEL_DLA_SMMU_ERROR Ignore ContactSupport "the deep learning accelerator was refused an address";
    153 ROBUST_CHANNEL_DLA_TIMEOUT Ignore ContactSupport "the deep learning accelerator did not answer in time";
    154 GPU_RECOVERY_ACTION_CHANGED ReadRecoveryAction - "the recovery action that the driver recommends has changed";
    155 NVLINK_SW_DEFINED_ERROR ResetGpu InvestigateUserSoftware "NVLink: an error that the driver itself defines";
    156 RESOURCE_RETIREMENT_EVENT ResetGpu - "a faulty resource of the GPU is being taken out of use";
    157 RESOURCE_RETIREMENT_FAILURE Ignore ContactSupport "a faulty resource of the GPU could not be taken out of use";
    158 GPU_FATAL_TIMEOUT ResetGpu ContactSupport "the GPU did not answer in time and cannot go on";
    159 ROBUST_CHANNEL_CHI_NON_DATA_ERROR CheckUvm ReportIfAlone
        "the bus between GPU and CPU had an error that is not one of data";
    160 CHANNEL_RETIREMENT_EVENT Ignore InvestigateSoftware "a faulty channel was taken out of use";
    161 CHANNEL_RETIREMENT_FAILURE Ignore InvestigateSoftware "a faulty channel could not be taken out of use";
    162 PSHC_REENGAGED - - "the circuit that smooths the power is on again";
    163 PSHC_DISENGAGED - - "the circuit that smooths the power is off";
    164 PSHC_LOW_LIFETIME - - "the circuit that smooths the power is near its end of life";
    165 PSHC_ZERO_LIFETIME - - "the circuit that smooths the power has reached its end of life";
    166 NVLINK_SECURE_CRYPTO_ERR - - "encrypted traffic came over an NVLink that was not ready for it";
    167 PCIE_FATAL_TIMEOUT - - "the PCIe bus did not answer in time and cannot go on";
    168 REDUCED_GPU_MEMORY_CAPACITY - - "the GPU has less memory: its protected region had errors";
    169 SEC2_HALT_ERROR - - "the security processor inside the GPU has halted";
    170 NVLINK_SECURE_OTHER - - "an NVLink had an interrupt under confidential computing";
    171 UNCORRECTABLE_DRAM_ERROR - - "goes with Xid 48: the error was in the GPU's DRAM";
    172 UNCORRECTABLE_SRAM_ERROR - - "goes with Xid 48: the error was in SRAM inside the GPU";
    173 C2C_FATAL_LINK_FAILURE - - "the link between GPU and CPU has failed";
    174 ROBUST_CHANNEL_RESETCHANNEL_KILL_PROCESS_SILENT - -
        "a channel was reset to end its program, without a message to it";
    175 MEMORY_SUBSYSTEM_ERROR - - "the GPU's memory system had an error";
    176 PCIE_CORRECTABLE_ERROR_FAULT - - "the PCIe bus had correctable errors";
    999 UNKNOWN - - "the driver does not know which error it was";
}
