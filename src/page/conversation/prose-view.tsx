/** A text of a model as paragraphs, lists and code; everything in it is text. */

import { proseBlocks, proseSpans } from './prose.ts';

export function ProseView({ text }: { readonly text: string }) {
  return (
    <div class="prose">
      {proseBlocks(text).map((block, i) => {
        const key = `${i} ${block.type}`;
        switch (block.type) {
          case 'code':
            return (
              // biome-ignore lint/a11y/noNoninteractiveTabindex: long lines are scrolled by keyboard too
              <pre key={key} tabIndex={0} title={block.language}>
                {block.text}
              </pre>
            );
          case 'heading':
            return (
              <p key={key} class="prose-heading">
                <Line text={block.text} />
              </p>
            );
          case 'list':
            return (
              <ul key={key}>
                {block.items.map((item, at) => (
                  <li key={`${at} ${item.mark}`} style={{ marginLeft: `${item.depth * 1.25}rem` }}>
                    <span class="muted">{block.isNumbered || /^\d/.test(item.mark) ? item.mark : '•'}</span>
                    <span>
                      <Line text={item.text} />
                    </span>
                  </li>
                ))}
              </ul>
            );
          default:
            return (
              <p key={key}>
                <Line text={block.text} />
              </p>
            );
        }
      })}
    </div>
  );
}

function Line({ text }: { readonly text: string }) {
  return (
    <>
      {proseSpans(text).map((span, i) => {
        const key = `${i} ${span.type}`;
        if (span.type === 'code') return <code key={key}>{span.text}</code>;
        return span.type === 'strong' ? <strong key={key}>{span.text}</strong> : span.text;
      })}
    </>
  );
}
