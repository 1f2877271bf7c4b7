/** The room where ... */
export function AttackRoom() {
  return <p>Nothing here yet.</p>;
}
