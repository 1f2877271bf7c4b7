/** The room where ... */
export function EvaluateRoom() {
  return <p>Nothing here yet.</p>;
}
