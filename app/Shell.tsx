import { signal } from '@preact/signals';
import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { NoWebGPU } from './NoWebGPU.js';
import { ROOMS, type Room } from './rooms.js';
import { theme, type Theme } from './theme.js';
import { Problem } from './widgets/Problem.js';
import { adapterMissing } from './webgpu.js';

const here = signal<Room>(roomOf(location.hash));
addEventListener('hashchange', () => (here.value = roomOf(location.hash)));

function roomOf(hash: string): Room {
  return ROOMS.find(({ id }) => `#${id}` === hash) ?? ROOMS[0];
}

/** The frame of the page: the way between the rooms, and the room that one is in. Without WebGPU, a page that says how to get it. */
export function Shell() {
  const room = here.value;
  const [missing, setMissing] = useState<string>();
  useEffect(() => void adapterMissing().then(setMissing), []);
  useEffect(() => void (document.title = `${room.title} · bulwark playground`), [room]);
  return (
    <>
      <a class="skip" href="#room" onClick={skipToRoom}>
        Skip to the room
      </a>
      <header class="top">
        <strong class="brand">bulwark</strong>
        <nav aria-label="Rooms">
          {ROOMS.map(({ id, title }) => (
            <a key={id} href={`#${id}`} aria-current={id === room.id ? 'page' : undefined}>
              {title}
            </a>
          ))}
        </nav>
        <label class="theme">
          <span>Theme</span>
          <select value={theme.value} onChange={({ currentTarget }) => (theme.value = currentTarget.value as Theme)}>
            <option value="system">as the system</option>
            <option value="light">light</option>
            <option value="dark">dark</option>
          </select>
        </label>
      </header>
      <main id="room" tabIndex={-1}>
        <h1>{room.title}</h1>
        <p class="lead">{room.lead}</p>
        {missing === undefined ? <Loaded key={room.id} room={room} /> : <NoWebGPU reason={missing} />}
      </main>
    </>
  );
}

/** The address keeps naming the room: only the focus moves. */
function skipToRoom(event: Event): void {
  event.preventDefault();
  document.getElementById('room')?.focus();
}

function Loaded({ room }: { readonly room: Room }) {
  const [Content, setContent] = useState<ComponentType>();
  const [problem, setProblem] = useState<string>();
  useEffect(() => {
    room.load().then(
      (component) => setContent(() => component),
      (error: unknown) => setProblem(`This room could not be loaded: ${String(error)}. Load the page again.`),
    );
  }, [room]);
  return (
    <>
      <Problem text={problem} />
      {Content ? <Content /> : <p role="status">Loading ...</p>}
    </>
  );
}
