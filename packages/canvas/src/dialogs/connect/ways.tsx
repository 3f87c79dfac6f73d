// The snippets in tabs, each with its copy button and the help that belongs to it; last the bare values.

import type { ConnectionBlock } from '@molecule/contract';
import { Eye, EyeOff } from 'lucide-react';
import { useState } from 'react';
import { CodeBlock, CopyButton, Icon, IconButton, Tabs } from '../../ui/index.ts';
import { listFields, listWays, type Way } from './snippets.ts';

const FIELDS = 'fields';
const MASK = '••••••••••••';

function Help({ way }: { way: Way }) {
  return (
    <div className="connect-help">
      <details>
        <summary>Where to install</summary>
        <p>{way.install}</p>
      </details>
      <details>
        <summary>Documentation</summary>
        <p>
          <a href="/docs" target="_blank" rel="noopener noreferrer">
            Every route of this platform
          </a>
          , with what an agent may call.
        </p>
      </details>
      <details>
        <summary>Common errors</summary>
        <dl>
          {way.errors.map(([symptom, fix]) => (
            <div key={symptom}>
              <dt>{symptom}</dt>
              <dd>{fix}</dd>
            </div>
          ))}
        </dl>
      </details>
    </div>
  );
}

function Fields({ block, onCopied }: { block: ConnectionBlock; onCopied(): void }) {
  const [isShown, setShown] = useState(false);
  const token = block.auth_token;
  return (
    <dl className="connect-fields">
      {listFields(block).map(([label, value]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd className="row">
            <span className="mono clip grow" title={value}>
              {value}
            </span>
            <CopyButton text={value} label={`Copy: ${label}`} />
          </dd>
        </div>
      ))}
      <div>
        <dt>Token</dt>
        <dd className="row">
          <span className="mono clip grow">{token ? (isShown ? token : MASK) : 'Not shown again'}</span>
          {token && (
            <>
              <IconButton
                small
                label={isShown ? 'Hide the token' : 'Show the token'}
                onClick={() => setShown(!isShown)}
              >
                <Icon of={isShown ? EyeOff : Eye} small />
              </IconButton>
              <CopyButton text={token} label="Copy: Token" onCopied={onCopied} />
            </>
          )}
        </dd>
      </div>
    </dl>
  );
}

export function WaysToConnect({ block, onCopied }: { block: ConnectionBlock; onCopied(): void }) {
  const ways = listWays(block);
  const [tab, setTab] = useState(ways[0]?.id ?? FIELDS);
  const way = ways.find((one) => one.id === tab);
  return (
    <>
      <Tabs
        label="Ways to connect"
        className="connect-tabs"
        tabs={[...ways.map(({ id, label }) => ({ id, label })), { id: FIELDS, label: 'Fields' }]}
        active={tab}
        onChange={setTab}
      />
      <div role="tabpanel" id={`panel-${tab}`} aria-label={way?.label ?? 'Fields'}>
        {way ? (
          <>
            <CodeBlock label="Command" text={way.text} className="connect-code" onCopied={onCopied}>
              {way.text}
            </CodeBlock>
            <Help way={way} />
          </>
        ) : (
          <Fields block={block} onCopied={onCopied} />
        )}
      </div>
    </>
  );
}
