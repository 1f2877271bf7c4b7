/** The room where ... */
export function DeviceRoom() {
  return <p>Nothing here yet.</p>;
}
