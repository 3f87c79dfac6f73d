// Markdown of agents: GitHub flavour, never HTML, links only to places a browser may go, remote images on click.

import { memo, type ReactNode, useRef, useState } from 'react';
import ReactMarkdown, { defaultUrlTransform } from 'react-markdown';
import remarkGfm from 'remark-gfm';
import { Button, CopyButton } from '../../ui/index.ts';

const SAFE = /^(https?:|mailto:)/i;

/** An address that is not http(s) or mailto is inert. */
function toSafeUrl(url: string): string {
  const cleaned = defaultUrlTransform(url);
  return SAFE.test(cleaned) ? cleaned : '';
}

function CodeBlock({ children }: { children?: ReactNode }) {
  const block = useRef<HTMLPreElement>(null);
  return (
    <div className="code-frame">
      <pre className="code" ref={block}>
        {children}
      </pre>
      <CopyButton text={() => block.current?.textContent ?? ''} label="Copy the code" className="code-copy" />
    </div>
  );
}

function RemoteImage({ src, alt }: { src?: string | Blob; alt?: string }) {
  const [shown, setShown] = useState(false);
  const url = typeof src === 'string' ? src : '';
  if (!url) return <span className="muted">[image: {alt || 'not shown'}]</span>;
  if (shown) return <img src={url} alt={alt ?? ''} loading="lazy" />;
  return (
    <Button size="sm" look="line" onClick={() => setShown(true)}>
      Load image{alt ? `: ${alt}` : ''}
    </Button>
  );
}

const COMPONENTS = {
  pre: CodeBlock,
  img: RemoteImage,
  a: ({ href, children }: { href?: string; children?: ReactNode }) =>
    href ? (
      <a href={href} target="_blank" rel="noopener noreferrer" title={href}>
        {children}
      </a>
    ) : (
      <span>{children}</span>
    ),
  table: ({ children }: { children?: ReactNode }) => (
    <div className="table-frame">
      <table>{children}</table>
    </div>
  ),
};

const PLUGINS = [remarkGfm];

export const Markdown = memo(function Markdown({ text, live = false }: { text: string; live?: boolean }) {
  return (
    <div className="md" data-live={live || undefined}>
      <ReactMarkdown remarkPlugins={PLUGINS} urlTransform={toSafeUrl} components={COMPONENTS}>
        {text}
      </ReactMarkdown>
    </div>
  );
});
