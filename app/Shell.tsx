import { signal } from '@preact/signals';
import type { ComponentType } from 'preact';
import { useEffect, useErrorBoundary, useState } from 'preact/hooks';
import { update } from './offline/keep.js';
import { ROOMS, type Room } from './rooms.js';
import { sentenceOf } from './sentence.js';
import { theme, type Theme } from './theme.js';
import { lack, lookForAdapter } from './webgpu.js';
import { Problem } from './widgets/Problem.js';

const here = signal<Room>(roomOf(location.hash));
addEventListener('hashchange', () => (here.value = roomOf(location.hash)));

function roomOf(hash: string): Room {
  return ROOMS.find(({ id }) => `#${id}` === hash) ?? ROOMS[0];
}

/** The frame of the page: the way between the rooms, and the room that one is in. Without WebGPU, a page that says how to get it. */
export function Shell() {
  const room = here.value;
  useEffect(() => void lookForAdapter(), []);
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
      <Update />
      <main id="room" tabIndex={-1}>
        <h1>{room.title}</h1>
        <p class="lead">{room.lead}</p>
        {lack.value ? <Loaded key="lack" load={noWebGPU} /> : <Loaded key={room.id} load={room.load} />}
      </main>
    </>
  );
}

/** The address keeps naming the room: only the focus moves. */
function skipToRoom(event: Event): void {
  event.preventDefault();
  document.getElementById('room')?.focus();
}

const noWebGPU = async (): Promise<ComponentType> => (await import('./no-webgpu/NoWebGPU.js')).NoWebGPU;

/** A part of the page that is loaded when it is shown. Where it cannot be, or fails, a sentence says so, and the rest of the page stays. */
function Loaded({ load }: { readonly load: () => Promise<ComponentType> }) {
  const [Content, setContent] = useState<ComponentType>();
  const [problem, setProblem] = useState<string>();
  const [failure] = useErrorBoundary() as readonly [unknown, () => void];
  useEffect(() => {
    load().then(
      (component) => setContent(() => component),
      (error: unknown) => setProblem(`This room could not be loaded: ${sentenceOf(error)}. Load the page again.`),
    );
  }, [load]);
  if (failure !== undefined) return <Problem text={`This room failed: ${sentenceOf(failure)}. Load the page again.`} />;
  return (
    <>
      <Problem text={problem} />
      {Content ? <Content /> : problem === undefined && <p role="status">Loading ...</p>}
    </>
  );
}

/** Says that there is a newer version of the page, and puts it in place when asked. */
function Update() {
  const reload = update.value;
  return (
    <div role="status" class="update-place">
      {reload && (
        <p class="update">
          A newer version of this page is here. <button onClick={reload}>Reload</button>
        </p>
      )}
    </div>
  );
}
