/** What stands in place of a room where nothing can be computed. */
export function NoWebGPU({ reason }: { readonly reason: string }) {
  return (
    <section>
      <h2>WebGPU is missing</h2>
      <p>{reason}</p>
    </section>
  );
}
