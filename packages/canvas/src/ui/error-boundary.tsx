// Keeps a failure where it happened: one tab, one dialog or one card, never the whole canvas.

import { Component, type ReactNode } from 'react';
import { Button } from './button.tsx';

interface Props {
  /** What failed, in a sentence. */
  title: string;
  /** Changing it clears the failure. */
  resetKey?: unknown;
  fallback?: (retry: () => void) => ReactNode;
  children: ReactNode;
}

export class ErrorBoundary extends Component<Props, { error: Error | null }> {
  override state: { error: Error | null } = { error: null };

  static getDerivedStateFromError(error: Error) {
    return { error };
  }

  override componentDidUpdate(before: Props) {
    if (before.resetKey !== this.props.resetKey && this.state.error) this.setState({ error: null });
  }

  override render() {
    const { error } = this.state;
    if (!error) return this.props.children;
    const retry = () => this.setState({ error: null });
    if (this.props.fallback) return this.props.fallback(retry);
    const isChunk = /dynamically imported module|Importing a module/.test(error.message);
    return (
      <div className="boundary" role="alert">
        <b>{this.props.title}</b>
        <p className="soft">{isChunk ? 'A part of the page could not be loaded.' : error.message}</p>
        {isChunk ? (
          <Button look="line" onClick={() => location.reload()}>
            Reload
          </Button>
        ) : (
          <Button look="line" onClick={retry}>
            Try again
          </Button>
        )}
      </div>
    );
  }
}
