//! Functions that no node file models: present, and never supported.

use crate::call::{Slot, guarded};
use crate::machine::{Handle, started};
use crate::memory::Code;

/// A C caller may pass more arguments than are declared here, for it is the caller who clears them away. The first may
/// be the handle of a GPU, or anything else.
macro_rules! unmodelled {
    ($($name:ident,)*) => {
        $(
            #[unsafe(no_mangle)]
            extern "C" fn $name(first: Handle) -> i32 {
                static SLOT: Slot = Slot::new(stringify!($name));
                not_supported(&SLOT, first)
            }
        )*
    };
}

fn not_supported(slot: &Slot, first: Handle) -> i32 {
    guarded(|| {
        let machine = started()?;
        let gpu = machine.locate(first).ok();
        slot.rule(machine).enter(gpu.map(|(gpu, _)| gpu))?;
        if let Some((gpu, part)) = gpu {
            machine.look(gpu, part)?;
        }
        Err(Code::NOT_SUPPORTED)
    })
}

unmodelled! {
    nvmlComputeInstanceDestroy, nvmlDeviceClearAccountingPids, nvmlDeviceClearCpuAffinity,
    nvmlDeviceClearEccErrorCounts, nvmlDeviceClearFieldValues, nvmlDeviceCreateGpuInstance,
    nvmlDeviceCreateGpuInstanceWithPlacement, nvmlDeviceDiscoverGpus, nvmlDeviceFreezeNvLinkUtilizationCounter,
    nvmlDeviceGetAPIRestriction, nvmlDeviceGetAccountingStats_v2, nvmlDeviceGetActiveVgpus,
    nvmlDeviceGetAdaptiveClockInfoStatus, nvmlDeviceGetAdaptiveTgpModeInfo_v1, nvmlDeviceGetAutoBoostedClocksEnabled,
    nvmlDeviceGetBBXTimeData_v1, nvmlDeviceGetBankRemapperStatus_v1, nvmlDeviceGetBridgeChipInfo,
    nvmlDeviceGetCapabilities, nvmlDeviceGetClkMonStatus, nvmlDeviceGetClockOffsets,
    nvmlDeviceGetConfComputeGpuAttestationReport, nvmlDeviceGetConfComputeGpuCertificate,
    nvmlDeviceGetConfComputeProtectedMemoryUsage, nvmlDeviceGetCoolerInfo, nvmlDeviceGetCreatableVgpus,
    nvmlDeviceGetCurrentClockFreqs, nvmlDeviceGetDramEncryptionMode, nvmlDeviceGetEncoderCapacity,
    nvmlDeviceGetEncoderSessions, nvmlDeviceGetEncoderStats, nvmlDeviceGetFBCSessions, nvmlDeviceGetFBCStats,
    nvmlDeviceGetGpcClkMinMaxVfOffset, nvmlDeviceGetGpcClkVfOffset, nvmlDeviceGetGpuFabricInfo_v4,
    nvmlDeviceGetGpuOperationMode, nvmlDeviceGetGridLicensableFeatures, nvmlDeviceGetGridLicensableFeatures_v2,
    nvmlDeviceGetGridLicensableFeatures_v3, nvmlDeviceGetGridLicensableFeatures_v4, nvmlDeviceGetHostVgpuMode,
    nvmlDeviceGetHostname_v1, nvmlDeviceGetLastBBXFlushTime, nvmlDeviceGetMemClkMinMaxVfOffset,
    nvmlDeviceGetMemClkVfOffset, nvmlDeviceGetMemoryLimits_v1, nvmlDeviceGetMinMaxClockOfPState,
    nvmlDeviceGetNvLinkTelemetrySamples_v1, nvmlDeviceGetNvLinkUtilizationControl,
    nvmlDeviceGetNvLinkUtilizationCounter, nvmlDeviceGetNvlinkBwMode, nvmlDeviceGetNvlinkSupportedBwModes,
    nvmlDeviceGetPdi, nvmlDeviceGetPerformanceModes, nvmlDeviceGetPgpuMetadataString, nvmlDeviceGetPowerMizerMode_v1,
    nvmlDeviceGetSramUniqueUncorrectedEccErrorCounts, nvmlDeviceGetSupportedPerformanceStates,
    nvmlDeviceGetSupportedVgpus, nvmlDeviceGetUnrepairableMemoryFlag_v1, nvmlDeviceGetVgpuCapabilities,
    nvmlDeviceGetVgpuHeterogeneousMode, nvmlDeviceGetVgpuInstancesUtilizationInfo, nvmlDeviceGetVgpuMetadata,
    nvmlDeviceGetVgpuProcessUtilization, nvmlDeviceGetVgpuProcessesUtilizationInfo,
    nvmlDeviceGetVgpuSchedulerCapabilities, nvmlDeviceGetVgpuSchedulerLog, nvmlDeviceGetVgpuSchedulerLog_v2,
    nvmlDeviceGetVgpuSchedulerState, nvmlDeviceGetVgpuSchedulerState_v2, nvmlDeviceGetVgpuTypeCreatablePlacements,
    nvmlDeviceGetVgpuTypeSupportedPlacements, nvmlDeviceGetVgpuUtilization, nvmlDeviceModifyDrainState,
    nvmlDevicePerfMetricsGetSamples_v1, nvmlDevicePowerSmoothingActivatePresetProfile,
    nvmlDevicePowerSmoothingSetState, nvmlDevicePowerSmoothingUpdatePresetProfileParam, nvmlDeviceQueryDrainState,
    nvmlDeviceReadPRMCounters_v1, nvmlDeviceReadWritePRM_v1, nvmlDeviceRemoveGpu, nvmlDeviceRemoveGpu_v2,
    nvmlDeviceResetApplicationsClocks, nvmlDeviceResetGpuLockedClocks, nvmlDeviceResetMemoryLockedClocks,
    nvmlDeviceResetNvLinkErrorCounters, nvmlDeviceResetNvLinkUtilizationCounter, nvmlDeviceSetAPIRestriction,
    nvmlDeviceSetAccountingMode, nvmlDeviceSetAdaptiveTgpMode_v1, nvmlDeviceSetApplicationsClocks,
    nvmlDeviceSetAutoBoostedClocksEnabled, nvmlDeviceSetClockOffsets, nvmlDeviceSetComputeMode,
    nvmlDeviceSetConfComputeUnprotectedMemSize, nvmlDeviceSetCpuAffinity,
    nvmlDeviceSetDefaultAutoBoostedClocksEnabled, nvmlDeviceSetDefaultFanSpeed_v2, nvmlDeviceSetDramEncryptionMode,
    nvmlDeviceSetDriverModel, nvmlDeviceSetEccMode, nvmlDeviceSetFanControlPolicy, nvmlDeviceSetFanSpeed_v2,
    nvmlDeviceSetGpcClkVfOffset, nvmlDeviceSetGpuLockedClocks, nvmlDeviceSetGpuOperationMode,
    nvmlDeviceSetHostname_v1, nvmlDeviceSetMemClkVfOffset, nvmlDeviceSetMemoryLimits_v1,
    nvmlDeviceSetMemoryLockedClocks, nvmlDeviceSetMigMode, nvmlDeviceSetNvLinkDeviceLowPowerThreshold,
    nvmlDeviceSetNvLinkUtilizationControl, nvmlDeviceSetNvlinkBwMode, nvmlDeviceSetNvlinkBwModeAsync_v1,
    nvmlDeviceSetPersistenceMode, nvmlDeviceSetPowerManagementLimit, nvmlDeviceSetPowerManagementLimit_v2,
    nvmlDeviceSetPowerMizerMode_v1, nvmlDeviceSetRusdSettings_v1, nvmlDeviceSetTemperatureThreshold,
    nvmlDeviceSetVgpuCapabilities, nvmlDeviceSetVgpuHeterogeneousMode, nvmlDeviceSetVgpuSchedulerState,
    nvmlDeviceSetVgpuSchedulerState_v2, nvmlDeviceSetVirtualizationMode, nvmlDeviceVgpuForceGspUnload,
    nvmlDeviceWorkloadPowerProfileClearRequestedProfiles, nvmlDeviceWorkloadPowerProfileGetCurrentProfiles,
    nvmlDeviceWorkloadPowerProfileGetProfilesInfo, nvmlDeviceWorkloadPowerProfileSetRequestedProfiles,
    nvmlDeviceWorkloadPowerProfileUpdateProfiles_v1, nvmlEventSetGetContextCount_v1, nvmlEventSetGetContextData_v1,
    nvmlEventSetGetContextInfo_v1, nvmlEventSetGetGpuOperationalEventContextLegacyXid_v1,
    nvmlEventSetRegisterGpuOperationalEvents_v1, nvmlEventSetWait_v3, nvmlGetVgpuCompatibility,
    nvmlGetVgpuDriverCapabilities, nvmlGetVgpuVersion, nvmlGpmSetStreamingEnabled,
    nvmlGpuInstanceCreateComputeInstance, nvmlGpuInstanceCreateComputeInstanceWithPlacement, nvmlGpuInstanceDestroy,
    nvmlGpuInstanceGetActiveVgpus, nvmlGpuInstanceGetCreatableVgpus, nvmlGpuInstanceGetVgpuHeterogeneousMode,
    nvmlGpuInstanceGetVgpuSchedulerLog, nvmlGpuInstanceGetVgpuSchedulerLog_v2, nvmlGpuInstanceGetVgpuSchedulerState,
    nvmlGpuInstanceGetVgpuSchedulerState_v2, nvmlGpuInstanceGetVgpuTypeCreatablePlacements,
    nvmlGpuInstanceSetVgpuHeterogeneousMode, nvmlGpuInstanceSetVgpuSchedulerState,
    nvmlGpuInstanceSetVgpuSchedulerState_v2, nvmlSetVgpuVersion, nvmlSystemGetCPER_v1,
    nvmlSystemGetConfComputeCapabilities, nvmlSystemGetConfComputeGpusReadyState,
    nvmlSystemGetConfComputeKeyRotationThresholdInfo, nvmlSystemGetConfComputeSettings, nvmlSystemGetHicVersion,
    nvmlSystemGetNvlinkBwMode, nvmlSystemSetConfComputeGpusReadyState,
    nvmlSystemSetConfComputeKeyRotationThresholdInfo, nvmlSystemSetNvlinkBwMode, nvmlUnitGetDevices,
    nvmlUnitGetFanSpeedInfo, nvmlUnitGetHandleByIndex, nvmlUnitGetLedState, nvmlUnitGetPsuInfo,
    nvmlUnitGetTemperature, nvmlUnitGetUnitInfo, nvmlUnitSetLedState, nvmlVgpuInstanceClearAccountingPids,
    nvmlVgpuInstanceGetAccountingMode, nvmlVgpuInstanceGetAccountingPids, nvmlVgpuInstanceGetAccountingStats,
    nvmlVgpuInstanceGetEccMode, nvmlVgpuInstanceGetEncoderCapacity, nvmlVgpuInstanceGetEncoderSessions,
    nvmlVgpuInstanceGetEncoderStats, nvmlVgpuInstanceGetFBCSessions, nvmlVgpuInstanceGetFBCStats,
    nvmlVgpuInstanceGetFbUsage, nvmlVgpuInstanceGetFrameRateLimit, nvmlVgpuInstanceGetGpuInstanceId,
    nvmlVgpuInstanceGetGpuPciId, nvmlVgpuInstanceGetLicenseInfo, nvmlVgpuInstanceGetLicenseInfo_v2,
    nvmlVgpuInstanceGetLicenseStatus, nvmlVgpuInstanceGetMdevUUID, nvmlVgpuInstanceGetMetadata,
    nvmlVgpuInstanceGetPlacementId, nvmlVgpuInstanceGetRuntimeStateSize, nvmlVgpuInstanceGetType,
    nvmlVgpuInstanceGetUUID, nvmlVgpuInstanceGetVmDriverVersion, nvmlVgpuInstanceGetVmID,
    nvmlVgpuInstanceSetEncoderCapacity, nvmlVgpuTypeGetBAR1Info, nvmlVgpuTypeGetCapabilities, nvmlVgpuTypeGetClass,
    nvmlVgpuTypeGetDeviceID, nvmlVgpuTypeGetFbReservation, nvmlVgpuTypeGetFrameRateLimit,
    nvmlVgpuTypeGetFramebufferSize, nvmlVgpuTypeGetGpuInstanceProfileId, nvmlVgpuTypeGetGspHeapSize,
    nvmlVgpuTypeGetLicense, nvmlVgpuTypeGetMaxInstances, nvmlVgpuTypeGetMaxInstancesPerGpuInstance,
    nvmlVgpuTypeGetMaxInstancesPerVm, nvmlVgpuTypeGetName, nvmlVgpuTypeGetNumDisplayHeads, nvmlVgpuTypeGetResolution,
}
