// Entry of the canvas: styles, providers, the gate.

import '@fontsource-variable/hanken-grotesk';
import '@fontsource-variable/geist-mono';
import '@xyflow/react/dist/base.css';
import './ui/tokens.css';
import './ui/base.css';
import './ui/spine.css';
import './app/app.css';
import './canvas/canvas.css';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { createRoot } from 'react-dom/client';
import { App } from './app/app.tsx';
import { enter } from './app/gate.ts';
import { ErrorBoundary, Toaster, TooltipProvider } from './ui/index.ts';

const queries = new QueryClient({
  defaultOptions: { queries: { retry: 1, staleTime: 5_000, refetchOnWindowFocus: false } },
});

const root = document.getElementById('app');
if (root) {
  createRoot(root).render(
    <ErrorBoundary title="The canvas stopped">
      <QueryClientProvider client={queries}>
        <TooltipProvider>
          <App />
          <Toaster />
        </TooltipProvider>
      </QueryClientProvider>
    </ErrorBoundary>,
  );
  void enter();
}
