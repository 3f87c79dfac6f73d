// What stands below the toolbar, the most urgent first.

import { ConnectionBanner } from '../app/connection-banner.tsx';
import { ModelOffer } from './model-offer.tsx';
import { ProvisionBanner } from './provision-banner.tsx';

export function Banners() {
  return (
    <div className="banners">
      <ConnectionBanner />
      <ProvisionBanner />
      <ModelOffer />
    </div>
  );
}
