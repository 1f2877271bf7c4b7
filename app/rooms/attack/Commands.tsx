import { SHIPPED_MODELS } from '../../models.js';

/** How the models of the page came about. */
export function Commands() {
  return (
    <section>
      <h2>How these models were trained</h2>
      <p>The same network twice, at half its width, on MNIST; MIMAE-AT against changes of up to 0.2.</p>
      <dl class="commands">
        {SHIPPED_MODELS.map(({ id, title, command }) => (
          <div key={id}>
            <dt>{title}</dt>
            <dd>
              <code>{command}</code>
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
