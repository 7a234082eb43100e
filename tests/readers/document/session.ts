/** The document. No member is missing from it, and it has no other. */
export interface CustomerSession {
  integrationId: string;
  created: Time;
  applicationId: number;
  profileId: string;
  coupon: string;
  referral: string;
  state: "open" | "closed" | "cancelled";
  cartItems: CartItem[];
  identifiers: string[];
  total: number;
  attributes: Record<string, unknown>;
  firstSession: boolean;
  discounts: Record<string, number>;
}

export interface CartItem {
  name: string;
  sku: string;
  quantity: number;
  price: number;
  category?: string;
  weight?: number;
  height?: number;
  width?: number;
  length?: number;
  position?: number;
  attributes?: Record<string, unknown>;
}

/** RFC 3339, in UTC. */
export type Time = `${number}-${number}-${number}T${number}:${number}:${number}Z`;
