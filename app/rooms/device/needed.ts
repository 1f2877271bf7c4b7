/** What kernels need of a limit: WebGPU's own minimum, which every adapter has; and what they do with more. */
export const NEEDED: Readonly<Record<string, { readonly least: number; readonly use: string }>> = {
  maxBufferSize: { least: 2 ** 28, use: 'the largest tensor' },
  maxStorageBufferBindingSize: { least: 2 ** 27, use: 'the most of a tensor that a kernel sees at once' },
  maxStorageBuffersPerShaderStage: { least: 8, use: 'inputs of a fused kernel; more fuses longer chains' },
  maxUniformBufferBindingSize: { least: 2 ** 16, use: 'sizes that kernels are told' },
  maxComputeInvocationsPerWorkgroup: { least: 256, use: 'threads of a workgroup' },
  maxComputeWorkgroupSizeX: { least: 256, use: 'threads of a workgroup along x' },
  maxComputeWorkgroupStorageSize: { least: 2 ** 14, use: 'tiles in memory that a workgroup shares' },
  maxComputeWorkgroupsPerDimension: { least: 65535, use: 'workgroups of a dispatch along an axis' },
};
