// Chooses what is shown: the gate's pages, the loading and error screens, or the canvas with its regions.

import { lazy, Suspense, useEffect } from 'react';
import { Banners } from '../banners/banners.tsx';
import { BundleDrop } from '../canvas/bundle-drop.tsx';
import { CanvasScreen } from '../canvas/canvas-screen.tsx';
import { ListView } from '../canvas/list-view.tsx';
import { rehydrate, select, startConnection, stopConnection, useLive, useSelection } from '../live/index.ts';
import { useWhy } from '../panels/why/why-store.ts';
import { Button, Dialog, ErrorBoundary, Mark, toast, toSentence } from '../ui/index.ts';
import { onUnauthorized } from './api.ts';
import { confirmSession, showOutage, useGate } from './gate.ts';
import { LiveCount } from './live-count.tsx';
import { LoadingScreen } from './loading-screen.tsx';
import { LoginPage } from './login-page.tsx';
import { OutagePage } from './outage-page.tsx';
import { usePreferences } from './preferences.ts';
import { useDeepLink } from './use-deep-link.ts';
import { useProvisionToasts } from './use-event-toasts.ts';
import { useKeyboard } from './use-keyboard.ts';
import { useKeyboardRoom } from './use-keyboard-room.ts';
import { useLongPress } from './use-long-press.ts';
import { useNarrow } from './use-media.ts';

const SidePanel = lazy(() => import('../panels/side-panel.tsx').then((module) => ({ default: module.SidePanel })));
const WhyPanel = lazy(() => import('../panels/why/why-panel.tsx').then((module) => ({ default: module.WhyPanel })));
const Dialogs = lazy(() => import('../dialogs/index.tsx').then((module) => ({ default: module.Dialogs })));
const EmptyState = lazy(() => import('../panels/empty-state.tsx').then((module) => ({ default: module.EmptyState })));

export function App() {
  const gate = useGate((state) => state.gate);
  useEffect(() => {
    document.title = gate.state === 'login' ? 'Sign in · Molecule' : 'Molecule';
  }, [gate.state]);
  if (gate.state === 'probing') return <LoadingScreen />;
  if (gate.state === 'login') return <LoginPage message={gate.message} />;
  if (gate.state === 'outage') return <OutagePage message={gate.message} retryAt={gate.retryAt} />;
  return <Workbench />;
}

function useLiveConnection(): void {
  useEffect(() => {
    onUnauthorized(() => void confirmSession());
    void startConnection({
      hasSession: confirmSession,
      onRestored: () => toast.success('Connection restored'),
      onRefused: (error) => {
        // Once something is on screen, a platform in trouble is a banner; before that it is the outage page.
        if (error.code === 'platform_unavailable' && useLive.getState().hydration.state !== 'ready') showOutage(error);
      },
    });
    return stopConnection;
  }, []);
}

function Workbench() {
  const hydration = useLive((state) => state.hydration);
  useLiveConnection();
  if (hydration.state === 'loading') return <LoadingScreen />;
  if (hydration.state === 'failed') return <HydrationError message={hydration.message} />;
  return <Regions />;
}

function HydrationError({ message }: { message: string }) {
  return (
    <main className="gate" data-testid="hydration-error">
      <div className="dots calm" />
      <div className="gate-card" role="alert">
        <Mark />
        <h1>Your workspaces could not be loaded</h1>
        <p className="soft">{toSentence(message)}</p>
        <Button look="primary" size="lg" onClick={() => void rehydrate({ force: true })}>
          Retry
        </Button>
      </div>
    </main>
  );
}

function Regions() {
  const isEmpty = useLive((state) => state.model.order.length === 0);
  const view = usePreferences((state) => state.view);
  const isNarrow = useNarrow();
  const { id } = useSelection();
  const isAsking = useWhy((state) => state.target !== null);
  useKeyboard();
  useProvisionToasts();
  useDeepLink();
  useKeyboardRoom();
  useLongPress();
  // A phone starts with the list; its bottom bar leads to the graph.
  const showsList = isNarrow ? view !== 'graph' || isEmpty : view === 'list';
  return (
    <div className="app" data-panel={id !== null || undefined}>
      <a className="btn line skip" href="#main">
        Skip to the agents
      </a>
      <LiveCount />
      {isEmpty ? (
        <Suspense fallback={null}>
          <ErrorBoundary title="The start page stopped">
            <CanvasScreen empty />
            <EmptyState />
          </ErrorBoundary>
        </Suspense>
      ) : showsList ? (
        <ListView />
      ) : (
        <CanvasScreen />
      )}
      <Banners />
      <BundleDrop />
      {id !== null && (
        <Suspense fallback={<aside className="panel" aria-busy="true" />}>
          <ErrorBoundary
            title="The panel stopped"
            resetKey={`${id}${isAsking}`}
            fallback={(retry) => (
              <aside className="panel">
                <div className="boundary" role="alert">
                  <b>The panel stopped</b>
                  <div className="row gate-actions">
                    <Button look="line" onClick={retry}>
                      Try again
                    </Button>
                    <Button onClick={() => select(null)}>Close</Button>
                  </div>
                </div>
              </aside>
            )}
          >
            {isAsking ? <WhyPanel /> : <SidePanel />}
          </ErrorBoundary>
        </Suspense>
      )}
      <Suspense fallback={null}>
        <ErrorBoundary
          title="A dialog stopped"
          fallback={(retry) => (
            <Dialog
              title="This dialog stopped"
              lead="Nothing was sent by it. Close it and try again."
              onClose={retry}
            />
          )}
        >
          <Dialogs />
        </ErrorBoundary>
      </Suspense>
    </div>
  );
}
