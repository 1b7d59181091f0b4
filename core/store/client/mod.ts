/** A device's own database behind conversation's port. */
export { type DeviceStoreOptions, openDeviceStore, rewrapDeviceStore } from "./store.ts";
