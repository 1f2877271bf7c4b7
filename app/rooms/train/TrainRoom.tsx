/** The room where ... */
export function TrainRoom() {
  return <p>Nothing here yet.</p>;
}
