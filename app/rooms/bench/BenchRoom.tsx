/** The room where ... */
export function BenchRoom() {
  return <p>Nothing here yet.</p>;
}
