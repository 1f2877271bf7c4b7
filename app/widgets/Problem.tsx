/** What went wrong, in a sentence, said aloud when it appears; nothing without one. */
export function Problem({ text }: { readonly text: string | undefined }) {
  return (
    <div role="alert" class="problem-place">
      {text !== undefined && text !== '' && <p class="problem">{text}</p>}
    </div>
  );
}
